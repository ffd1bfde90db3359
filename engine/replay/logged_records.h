// The records that the log has beyond the tables, as a reader found them when it checked the log. A few records are
// copied, so that they stay available when the owner recycles their segments. More are read again, so that memory does
// not grow with what waits for a checkpoint. The owner seldom recycles those meanwhile, because their checkpoint takes
// longer than reading them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "wal/reader.h"

namespace cairn::engine {

class LoggedRecords {
 public:
  LoggedRecords(wal::Files& files, const wal::StoreId& store, size_t copied_bytes_max)
      : files_(files), store_(store), copied_bytes_max_(copied_bytes_max) {}

  /// Adds the next record. `wanted`: each() visits it.
  void add(const wal::RecordView& record, bool wanted);

  /// The first LSN of all that were added; 0: none was.
  [[nodiscard]] uint64_t first_lsn() const { return first_lsn_; }
  [[nodiscard]] uint64_t copied_bytes() const { return bytes_.size(); }

  /// Visits the wanted records, and maybe others, but none at or below `applied_lsn`. That is not below the applied LSN
  /// with which the log was checked; nullopt, as there, if the tables cannot be read. kAgain: the records are not in
  /// the log any more.
  Status each(std::optional<uint64_t> applied_lsn, const FunctionRef<Status(const wal::RecordView&)>& visit) const;

 private:
  struct Copied {
    uint64_t lsn;
    uint32_t begin;
    uint32_t bytes;
    uint8_t type;
    uint8_t flags;
  };
  Status read_again(std::optional<uint64_t> applied_lsn,
                    const FunctionRef<Status(const wal::RecordView&)>& visit) const;

  wal::Files& files_;
  const wal::StoreId& store_;
  const size_t copied_bytes_max_;
  uint64_t first_lsn_ = 0;
  uint64_t last_lsn_ = 0;
  bool all_copied_ = true;
  std::vector<Copied> copied_;
  std::string bytes_;  // the payloads of `copied_`
};

}  // namespace cairn::engine
