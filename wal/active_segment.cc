#include "wal/active_segment.h"

#include <array>
#include <cassert>
#include <cstring>

namespace cairn::wal {

Status ActiveSegment::append(PendingRecords& records, size_t first, size_t last, size_t leading) {
  const uint64_t lsn = sync_.written_lsn();
  const uint32_t chain = records.place(first, last, position_, header_.salt, lsn, sync_.durable_lsn(), chain_);
  const std::string_view bytes = records.bytes(first, last);
  if (Status s = write(bytes); !s.ok()) {
    const bool gone = take_back(records, first, last, leading);
    if (s.code == Code::kNoSpace && !gone) {
      // After a kill these records would come back, although the caller was told that they failed, before records that
      // are acknowledged from now on.
      return sync_.latch({Code::kLatched, "a failed append could not be taken back", s.cause});
    }
    return s;
  }
  position_ += bytes.size();
  chain_ = chain;
  ends_in_close_ = false;
  sync_.set_written(lsn + (last - first));
  return {};
}

// After a failed write some of its records may be in the file, whole, and must be invalidated. Not only the first: it
// may be appended again with exactly the same bytes, and would then be followed by the others. Begins with the last
// one, so that a kill in between leaves a prefix. False: one of them can still be read. Only the leading ones may stay.
bool ActiveSegment::take_back(const PendingRecords& records, size_t first, size_t last, size_t leading) {
  static constexpr std::string_view kNothingHere("\0\0\0\0", sizeof(RecordHeader::length_bytes));
  bool gone = true;
  for (size_t i = last; i-- > first;) {
    const uint64_t offset = position_ + records.space_bytes(first, i);
    if (file_->write_at(offset, kNothingHere).ok()) {
      continue;
    }
    // On file systems where each write takes new blocks, a full disk refuses this one too. That is harmless if the
    // record itself never reached the file.
    gone = gone && (i < leading || !may_be_there(offset, records.record(i)));
  }
  return gone;
}

bool ActiveSegment::may_be_there(uint64_t offset, std::string_view record) const {
  std::array<char, 4096> there{};  // no memory: it may have run out, too
  for (size_t at = 0; at < record.size(); at += there.size()) {
    const std::string_view part = record.substr(at, there.size());
    const Result<size_t> got = file_->read_at(offset + at, {there.data(), part.size()});
    if (got.ok() && (*got < part.size() || part != std::string_view(there.data(), part.size()))) {
      return false;
    }
  }
  return true;
}

// Writes at the position of the next record, together with the headers if the segment has none yet. No space does not
// latch.
Status ActiveSegment::write(std::string_view bytes) {
  Status s;
  if (!close_to_repeat_.empty()) {
    // The close marker before this position may be readable but not on the disk: if its sync failed in this same boot,
    // the page was marked clean. After a power cut a hole would then cut off what follows. So the marker is written
    // again: the sync that covers what follows covers it, too. It shares no sector with a group.
    const uint64_t begin = position_ - close_to_repeat_.size();
    s = file_->write_at(begin, close_to_repeat_ + std::string(bytes));
    if (s.ok()) {
      close_to_repeat_.clear();
    }
  } else if (headers_written_ || defer_headers_) {
    s = file_->write_at(position_, bytes);
  } else if (position_ == kRecordsOffset) {
    s = file_->write_at(0, headers_page().append(bytes));
  } else {
    s = file_->write_at(0, headers_page());
    assert(bytes.empty());
  }
  if (s.ok()) {
    headers_written_ = headers_written_ || !defer_headers_;
    written_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
    return s;
  }
  return s.code == Code::kNoSpace ? s : sync_.latch(s);
}

std::string ActiveSegment::headers_page() const {
  std::string pages(kRecordsOffset, '\0');
  for (uint32_t copy = 0; copy < kHeaderCopies; ++copy) {
    const auto bytes = encode_segment_header(header_, copy);
    std::memcpy(pages.data() + size_t{copy} * kHeaderPageBytes, bytes.data(), bytes.size());
  }
  return pages;
}

Status ActiveSegment::write_control(uint8_t type) {
  RecordHeader header;
  header.length_bytes = kRecordHeaderBytes;
  header.type = type;
  header.lsn = sync_.written_lsn();
  header.durable_behind = durable_distance(header.lsn, sync_.durable_lsn());
  header.chain = chain_;
  std::array<char, kRecordHeaderBytes> bytes{};
  write_record_header(bytes.data(), header, position_, header_.salt);
  CAIRN_TRY(write({bytes.data(), bytes.size()}));
  position_ += bytes.size();
  return {};
}

Status ActiveSegment::pad_to_border() {
  const size_t gap = round_up(position_, border_bytes_) - position_;
  if (gap == 0) {
    return {};
  }
  std::array<char, kBorderBytesMax> bytes{};  // no memory: it runs between an append and its acknowledgement
  if (gap >= kRecordHeaderBytes) {
    RecordHeader header;
    header.length_bytes = static_cast<uint32_t>(gap);
    header.type = kTypePad;
    header.lsn = sync_.written_lsn();
    header.durable_behind = durable_distance(header.lsn, sync_.durable_lsn());
    header.chain = chain_;
    write_record_header(bytes.data(), header, position_, header_.salt);
  }
  CAIRN_TRY(write({bytes.data(), gap}));
  position_ += gap;
  return {};
}

void ActiveSegment::skip_to_border() { position_ = round_up(position_, border_bytes_); }

Status ActiveSegment::seal() {
  if (position_ + kRecordHeaderBytes <= header_.segment_bytes) {
    return write_control(kTypeSeal);
  }
  if (!close_to_repeat_.empty()) {
    return write({});  // it is this segment's last record, and must not be written into the next one
  }
  return {};
}

Status ActiveSegment::write_close() {
  CAIRN_TRY(write_control(kTypeClose));
  return pad_to_border();
}

Status ActiveSegment::write_headers() {
  defer_headers_ = false;
  return write({});
}

Status ActiveSegment::note_watermark(uint64_t durable_lsn) {
  SegmentHeader header = header_;
  header.watermark = durable_lsn;
  // Write only one copy: if a power cut destroys it, the other is left.
  const auto bytes = encode_segment_header(header, 1);
  if (Status s = file_->write_at(kHeaderPageBytes, {bytes.data(), bytes.size()}); !s.ok()) {
    return s.code == Code::kNoSpace ? s : sync_.latch(s);
  }
  header_ = header;
  return {};
}

void ActiveSegment::begin(std::shared_ptr<File>&& file, const SegmentHeader& header) noexcept {
  header_ = header;
  file_ = std::move(file);
  headers_written_ = false;
  ends_in_close_ = false;
  position_ = kRecordsOffset;
}

}  // namespace cairn::wal
