#include "engine/replay/logged_records.h"

#include <algorithm>

namespace cairn::engine {

void LoggedRecords::add(const wal::RecordView& record, bool wanted) {
  first_lsn_ = first_lsn_ == 0 ? record.lsn : first_lsn_;
  last_lsn_ = record.lsn;
  if (!wanted || !all_copied_) {
    return;
  }
  if (bytes_.size() + record.payload.size() + (copied_.size() + 1) * sizeof(Copied) > copied_bytes_max_) {
    all_copied_ = false;
    copied_ = {};
    bytes_ = {};
    return;
  }
  copied_.push_back({record.lsn, static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(record.payload.size()),
                     record.type, record.flags});
  bytes_ += record.payload;
}

Status LoggedRecords::each(std::optional<uint64_t> applied_lsn,
                           const FunctionRef<Status(const wal::RecordView&)>& visit) const {
  if (!all_copied_) {
    return read_again(applied_lsn, visit);
  }
  for (const Copied& c : copied_) {
    if (applied_lsn && c.lsn <= *applied_lsn) {
      continue;
    }
    wal::RecordView record;
    record.lsn = c.lsn;
    record.type = c.type;
    record.flags = c.flags;
    record.payload = std::string_view(bytes_).substr(c.begin, c.bytes);
    CAIRN_TRY(visit(record));
  }
  return {};
}

// Durable data is checked as at the first time. The same records must come, each once, up to the last one that came
// then: records that were appended since belong to a later moment.
Status LoggedRecords::read_again(std::optional<uint64_t> applied_lsn,
                                 const FunctionRef<Status(const wal::RecordView&)>& visit) const {
  constexpr Status kEnd(Code::kNotFound);
  uint64_t next = std::max(first_lsn_, applied_lsn.value_or(0) + 1);
  if (next > last_lsn_) {
    return {};
  }
  Status visited;
  wal::ScanReport report;
  const Status scanned = wal::judge(
      files_, store_, applied_lsn, wal::Extent::kAfterTables,
      [&](const wal::RecordView& record) {
        if (record.lsn < next) {
          return Status();
        }
        if (record.lsn != next) {
          return kEnd;
        }
        visited = visit(record);
        return visited.ok() && next++ != last_lsn_ ? Status() : kEnd;
      },
      report);
  CAIRN_TRY(visited);
  if (next > last_lsn_) {
    return {};
  }
  return scanned.code == Code::kIo ? scanned : Status(Code::kAgain);
}

}  // namespace cairn::engine
