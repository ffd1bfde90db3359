// The Writer over segment files: appends, rotations, and the order of what one append, one sync and one close do.
//
// Invariants:
//   - LSNs are dense (log_sync.h has how far they are written and durable);
//   - all records that are not durable are in the active segment: it is synced before its successor gets a record.
// Locks in their order: append_mutex_, LogSegments::mutex(), that of LogSync. Only a rotation syncs the log under the
// first two.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "wal/active_segment.h"
#include "wal/log_segments.h"
#include "wal/log_sync.h"
#include "wal/mutex.h"
#include "wal/pending_records.h"
#include "wal/writer.h"

namespace cairn::wal {

/// The state with which a writer begins.
struct WriterStart {
  ActiveSegment::Start active;
  LogSegments::Start others;
  uint64_t last_lsn = 0;
  uint64_t durable_lsn = 0;
};

class LogWriter final : public Writer {
 public:
  LogWriter(Files& files, const Options& options, WriterStart&& start);

  /// The first records of a segment begun by recovery: `tail` as ScanReport::tail, then `more`. The headers are written
  /// last, so a kill before that leaves a spare. Records that do not fit are appended as usual. Durable on return.
  struct Payload {
    uint8_t type = 0;
    std::string_view payload;
  };
  Status recover(std::string_view tail, const std::vector<Payload>& more);

  Status sync(uint64_t lsn) override;
  [[nodiscard]] uint64_t written_lsn() const override { return sync_.written_lsn(); }
  [[nodiscard]] uint64_t durable_lsn() const override { return sync_.durable_lsn(); }
  [[nodiscard]] bool latched() const override { return sync_.latched(); }
  Status prepare_spare() override;
  Status recycle(uint64_t applied_lsn) override;
  Status note_idle() override;
  Status close_clean() override;
  [[nodiscard]] uint64_t disk_bytes() const override { return segments_.disk_bytes(); }
  [[nodiscard]] Counters counters() const override;

 protected:
  void lock_append() override CAIRN_ACQUIRE(append_mutex_) { append_mutex_.lock(); }
  void unlock_append() override CAIRN_RELEASE(append_mutex_);
  void add_record(uint8_t type, std::string_view payload) override CAIRN_REQUIRES(append_mutex_);
  uint64_t next_record_lsn() const override CAIRN_REQUIRES(append_mutex_);
  Result<uint64_t> commit_records(size_t leading) override CAIRN_REQUIRES(append_mutex_);

 private:
  void forget_pending() CAIRN_REQUIRES(append_mutex_);
  Status write_pending(size_t leading) CAIRN_REQUIRES(append_mutex_);
  Status write_split(size_t leading) CAIRN_REQUIRES(append_mutex_);
  Status write_group(size_t first, size_t last, size_t leading) CAIRN_REQUIRES(append_mutex_);
  Status write_first(size_t count) CAIRN_REQUIRES(append_mutex_);
  Status write_rest(size_t first) CAIRN_REQUIRES(append_mutex_);
  Status rotate(size_t need_bytes) CAIRN_REQUIRES(append_mutex_);
  Status sync_active() CAIRN_REQUIRES(append_mutex_);
  Status refuse_if_ended() const CAIRN_REQUIRES(append_mutex_);
  Status lead_group();

  const uint32_t segment_bytes_;
  std::atomic<uint64_t> appends_{0}, records_{0}, bytes_{0};
  LogSync sync_;
  LogSegments segments_;

  mutable Mutex append_mutex_{LockRank::kAppend};
  ActiveSegment active_ CAIRN_GUARDED_BY(append_mutex_);
  PendingRecords pending_ CAIRN_GUARDED_BY(append_mutex_);
  Status pending_error_ CAIRN_GUARDED_BY(append_mutex_);
  bool closed_ CAIRN_GUARDED_BY(append_mutex_) = false;
};

}  // namespace cairn::wal
