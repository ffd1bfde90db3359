// Which segments the log has: the full ones, the active one, and the spare that comes next.
//
// Invariant: there is always a segment whose headers are durable. The last full one stays until the active one's are.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "wal/files.h"
#include "wal/format.h"
#include "wal/log_sync.h"
#include "wal/mutex.h"
#include "wal/segment_files.h"
#include "wal/writer.h"

namespace cairn::wal {

/// A segment that is not written any more.
struct FullSegment {
  std::string name;
  uint32_t segment_bytes = 0;
  uint64_t last_lsn = 0;
};

class LogSegments {
 public:
  struct Start {
    std::optional<SpareSegment> spare;
    std::deque<FullSegment> full;  // oldest first
  };
  LogSegments(Files& files, const Options& options, Start&& start, const SegmentHeader& active, bool headers_written,
              const LogSync& sync);

  /// Makes a spare if there is none that can hold `need_bytes` of records.
  Status prepare_spare(size_t need_bytes);
  /// Recycles or removes full ones that end at or below `applied_lsn`, oldest first.
  Status recycle(uint64_t applied_lsn);
  /// The last full one could go, too, if the active one's headers were durable.
  [[nodiscard]] bool waits_for_headers(uint64_t applied_lsn);
  /// Those of the active one are durable, though no record that came with them is yet.
  void note_headers_durable();
  /// The most records that one segment of this length can take.
  [[nodiscard]] uint64_t group_bytes_max(uint32_t segment_bytes) const;
  [[nodiscard]] uint64_t disk_bytes() const { return disk_bytes_.load(std::memory_order_relaxed); }
  /// The active one, and the full ones.
  [[nodiscard]] uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t rotations() const { return rotations_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t recycled() const { return recycled_.load(std::memory_order_relaxed); }

  // A rotation, with the append mutex and mutex() held.
  [[nodiscard]] Mutex& mutex() CAIRN_RETURN_CAPABILITY(mutex_) { return mutex_; }
  Status make_spare(size_t need_bytes) CAIRN_REQUIRES(mutex_);
  void add_full(FullSegment segment) CAIRN_REQUIRES(mutex_);
  void take_full_back() CAIRN_REQUIRES(mutex_);
  /// The spare is the active one from now on, and this is its header.
  SegmentHeader activate_spare(std::shared_ptr<File>& file, uint64_t last_lsn, uint32_t chain) noexcept
      CAIRN_REQUIRES(mutex_);

 private:
  [[nodiscard]] bool active_headers_are_durable() const CAIRN_REQUIRES(mutex_);
  void count_disk_bytes() CAIRN_REQUIRES(mutex_);

  const Options options_;
  SegmentFiles files_;
  const LogSync& sync_;
  std::atomic<uint64_t> disk_bytes_{0}, count_{0}, rotations_{0}, recycled_{0};

  Mutex mutex_{LockRank::kSegments};
  std::optional<SpareSegment> spare_ CAIRN_GUARDED_BY(mutex_);
  std::deque<FullSegment> full_ CAIRN_GUARDED_BY(mutex_);
  uint64_t active_seq_ CAIRN_GUARDED_BY(mutex_);
  uint64_t active_first_lsn_ CAIRN_GUARDED_BY(mutex_);
  uint32_t active_bytes_ CAIRN_GUARDED_BY(mutex_);
  // Of the segment that begin_writer() left active.
  uint64_t headers_durable_seq_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::wal
