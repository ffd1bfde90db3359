// The Writer over segment files.
//
// Invariants:
//   - durable_lsn_ <= written_lsn_; both only grow; LSNs are dense;
//   - all records that are not durable are in the active segment: it is synced before its successor gets a record;
//   - there is always a segment whose headers are durable: the last full one stays until the active one's are;
//   - a segment's headers are written with its first records and name the durable end of the segment before;
//   - the sector that ends a synced group is never written again (PAD to the border before the sync).
// Locks in their order: append_mutex_, segments_mutex_, sync_mutex_. Only a rotation syncs the log under the first two.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wal/commit_group.h"
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

/// The state with which a writer begins.
struct WriterStart {
  std::unique_ptr<File> file;
  SegmentHeader header;  // of the active segment, as on disk or as it will be
  bool headers_written = false;
  uint64_t position = kRecordsOffset;
  uint64_t last_lsn = 0;
  uint32_t chain = 0;
  uint64_t durable_lsn = 0;
  std::string close;  // not empty: the clean-close marker and its padding, which end at `position`
  std::optional<SpareSegment> spare;
  std::deque<FullSegment> full;  // oldest first
};

class LogWriter final : public Writer {
 public:
  LogWriter(Files& files, const Options& options, WriterStart start);

  /// The first records of a segment begun by recovery: `tail` as ScanReport::tail, then `more`. The headers are written
  /// last, so a kill before that leaves a spare. Records that do not fit are appended as usual. Durable on return.
  struct Payload {
    uint8_t type = 0;
    std::string_view payload;
  };
  Status recover(std::string_view tail, const std::vector<Payload>& more);

  Status sync(uint64_t lsn) override;
  [[nodiscard]] uint64_t written_lsn() const override { return written_lsn_.load(std::memory_order_acquire); }
  [[nodiscard]] uint64_t durable_lsn() const override { return durable_lsn_.load(std::memory_order_acquire); }
  [[nodiscard]] bool latched() const override { return latched_.load(std::memory_order_acquire); }
  Status prepare_spare() override;
  Status recycle(uint64_t applied_lsn) override;
  Status note_idle() override;
  Status close_clean() override;
  [[nodiscard]] uint64_t disk_bytes() const override { return disk_bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] Counters counters() const override;

 protected:
  void lock_append() override CAIRN_ACQUIRE(append_mutex_) { append_mutex_.lock(); }
  void unlock_append() override CAIRN_RELEASE(append_mutex_);
  void add_record(uint8_t type, std::string_view payload) override CAIRN_REQUIRES(append_mutex_);
  uint64_t next_record_lsn() const override CAIRN_REQUIRES(append_mutex_);
  Result<uint64_t> commit_records(size_t leading) override CAIRN_REQUIRES(append_mutex_);

 private:
  // A framed record in buffer_; its header is filled in when its place is known.
  struct Pending {
    size_t at = 0;
    uint32_t length_bytes = 0;
    uint8_t type = 0;
    uint8_t flags = 0;
  };

  void add_framed(uint8_t type, uint8_t flags, std::string_view payload) CAIRN_REQUIRES(append_mutex_);
  void forget_pending() CAIRN_REQUIRES(append_mutex_);
  [[nodiscard]] size_t space_bytes(size_t first, size_t last) const CAIRN_REQUIRES(append_mutex_);
  [[nodiscard]] bool fits(size_t bytes) const CAIRN_REQUIRES(append_mutex_);
  [[nodiscard]] uint64_t group_bytes_max(uint32_t segment_bytes) const;
  Status write_group(size_t first, size_t last) CAIRN_REQUIRES(append_mutex_);
  bool take_back(size_t first, size_t last) CAIRN_REQUIRES(append_mutex_);
  Status write_at_position(std::string_view bytes) CAIRN_REQUIRES(append_mutex_);
  [[nodiscard]] std::string headers_page() const CAIRN_REQUIRES(append_mutex_);
  Status write_control(uint8_t type) CAIRN_REQUIRES(append_mutex_);
  Status pad_to_border() CAIRN_REQUIRES(append_mutex_);
  Status rotate(size_t need_bytes) CAIRN_REQUIRES(append_mutex_);
  Status refuse_if_ended() const CAIRN_REQUIRES(append_mutex_);

  Status ensure_spare(size_t need_bytes);
  Status sync_file(File& file, uint64_t target_lsn, bool always);
  Status sync_unless_durable(uint64_t lsn, File& file, uint64_t target_lsn);
  Status lead_group();
  Status latch(Status cause);
  [[nodiscard]] bool active_headers_are_durable() const CAIRN_REQUIRES(segments_mutex_);
  Status make_spare_locked(size_t need_bytes) CAIRN_REQUIRES(segments_mutex_);
  void count_disk_bytes_locked() CAIRN_REQUIRES(segments_mutex_);

  const Options options_;
  SegmentFiles segment_files_;

  std::atomic<uint64_t> written_lsn_;  // under append_mutex_
  std::atomic<uint64_t> durable_lsn_;  // under sync_mutex_
  std::atomic<bool> latched_{false};   // under sync_mutex_
  std::atomic<uint64_t> disk_bytes_{0};
  std::atomic<uint64_t> appends_{0}, records_{0}, bytes_{0}, syncs_{0}, rotations_{0}, recycled_{0};

  mutable Mutex append_mutex_{LockRank::kAppend};
  std::shared_ptr<File> file_ CAIRN_GUARDED_BY(append_mutex_);
  SegmentHeader header_ CAIRN_GUARDED_BY(append_mutex_);
  bool headers_written_ CAIRN_GUARDED_BY(append_mutex_);
  bool defer_headers_ CAIRN_GUARDED_BY(append_mutex_) = false;
  uint64_t position_ CAIRN_GUARDED_BY(append_mutex_);
  uint32_t chain_ CAIRN_GUARDED_BY(append_mutex_);
  bool ends_in_close_ CAIRN_GUARDED_BY(append_mutex_);
  std::string close_to_repeat_ CAIRN_GUARDED_BY(append_mutex_);
  bool closed_ CAIRN_GUARDED_BY(append_mutex_) = false;
  std::string buffer_ CAIRN_GUARDED_BY(append_mutex_);
  std::vector<Pending> pending_ CAIRN_GUARDED_BY(append_mutex_);
  size_t leading_ CAIRN_GUARDED_BY(append_mutex_) = 0;  // of commit_split
  Status pending_error_ CAIRN_GUARDED_BY(append_mutex_);

  // One log sync at a time: the kernel reports a failure to only one of them.
  Mutex sync_mutex_{LockRank::kLogSync};

  Mutex segments_mutex_{LockRank::kSegments};
  std::optional<SpareSegment> spare_ CAIRN_GUARDED_BY(segments_mutex_);
  std::deque<FullSegment> full_ CAIRN_GUARDED_BY(segments_mutex_);
  uint64_t active_seq_ CAIRN_GUARDED_BY(segments_mutex_);
  uint64_t active_first_lsn_ CAIRN_GUARDED_BY(segments_mutex_);
  uint32_t active_bytes_ CAIRN_GUARDED_BY(segments_mutex_);
  // Of the segment that begin_writer() left active.
  uint64_t headers_durable_seq_ CAIRN_GUARDED_BY(segments_mutex_) = 0;

  CommitGroups groups_;
};

}  // namespace cairn::wal
