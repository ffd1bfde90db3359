#include "wal/pending_records.h"

#include <cstring>

namespace cairn::wal {

void PendingRecords::add(uint8_t type, uint8_t flags, std::string_view payload) {
  Record record;
  record.at = buffer_.size();
  record.length_bytes = static_cast<uint32_t>(kRecordHeaderBytes + payload.size());
  record.type = type;
  record.flags = flags;
  buffer_.resize(buffer_.size() + record_space_bytes(payload.size()));
  if (!payload.empty()) {
    std::memcpy(buffer_.data() + record.at + kRecordHeaderBytes, payload.data(), payload.size());
  }
  records_.push_back(record);
}

void PendingRecords::clear() {
  buffer_.clear();
  records_.clear();
}

size_t PendingRecords::space_bytes(size_t first, size_t last) const {
  const size_t begin = first < records_.size() ? records_[first].at : buffer_.size();
  const size_t end = last < records_.size() ? records_[last].at : buffer_.size();
  return end - begin;
}

std::string_view PendingRecords::bytes(size_t first, size_t last) const {
  return std::string_view(buffer_).substr(records_[first].at, space_bytes(first, last));
}

std::string_view PendingRecords::record(size_t index) const {
  return std::string_view(buffer_).substr(records_[index].at, records_[index].length_bytes);
}

uint32_t PendingRecords::place(size_t first, size_t last, uint64_t position, uint64_t salt, uint64_t lsn,
                               uint64_t durable_lsn, uint32_t chain) {
  const size_t begin = records_[first].at;
  for (size_t i = first; i < last; ++i) {
    const Record& record = records_[i];
    RecordHeader header;
    header.length_bytes = record.length_bytes;
    header.type = record.type;
    header.flags = record.flags;
    header.lsn = ++lsn;
    header.durable_behind = durable_distance(lsn, durable_lsn);
    header.chain = chain;
    chain = static_cast<uint32_t>(
        write_record_header(buffer_.data() + record.at, header, position + (record.at - begin), salt));
  }
  return chain;
}

}  // namespace cairn::wal
