// What the log has behind the tables, as a reader met it when it judged the log. A short rest is copied: whatever the
// owner recycles meanwhile, it is there. A longer one is read again, so that memory does not grow with what waits for a
// checkpoint; that such a rest is recycled meanwhile is rare, for its checkpoint takes longer than to read it.
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

  /// The next record. `wanted`: each() visits it.
  void add(const wal::RecordView& record, bool wanted);

  /// Of all that were added; 0: none was.
  [[nodiscard]] uint64_t first_lsn() const { return first_lsn_; }
  [[nodiscard]] uint64_t copied_bytes() const { return bytes_.size(); }

  /// Visits those that are wanted, and maybe others, but none at or below `applied_lsn`, which is not below that which
  /// the log was judged by; nothing: as there, the tables cannot be read. kAgain: they are not there any more.
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
