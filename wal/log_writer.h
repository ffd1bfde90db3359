// The Writer over segment files.
//
// Invariants:
//   - durable_lsn_ <= written_lsn_; both only grow; LSNs are dense;
//   - all records that are not durable stand in the active segment: it is synced before its successor gets a record;
//   - the files always hold a segment whose headers are durable: the last full one stays until the active one's are;
//   - a segment's headers are written with its first records and name the durable end of the segment before;
//   - the sector that ends a synced group is never written again (PAD to the border before the sync).
// Lock order: append_mutex_, segments_mutex_, sync_mutex_. Only a rotation syncs the log under the first two.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wal/commit_group.h"
#include "wal/segment_files.h"
#include "wal/writer.h"

namespace cairn::wal {

/// A segment that is no longer written.
struct FullSegment {
  std::string name;
  uint32_t segment_bytes = 0;
  uint64_t last_lsn = 0;
};

/// Where a writer begins.
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
  /// last, so a kill before leaves a spare. What does not fit goes on by ordinary appends. Durable on return.
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
  void lock_append() override { append_mutex_.lock(); }
  void unlock_append() override;
  void add_record(uint8_t type, std::string_view payload) override;
  uint64_t next_record_lsn() const override;
  Result<uint64_t> commit_records(size_t leading) override;

 private:
  // A framed record in buffer_ whose header is filled in when its place is known.
  struct Pending {
    size_t at = 0;
    uint32_t length_bytes = 0;
    uint8_t type = 0;
    uint8_t flags = 0;
  };

  // All of these need append_mutex_.
  void add_framed(uint8_t type, uint8_t flags, std::string_view payload);
  void forget_pending();
  [[nodiscard]] size_t space_bytes(size_t first, size_t last) const;
  [[nodiscard]] bool fits(size_t bytes) const;
  [[nodiscard]] uint64_t group_bytes_max(uint32_t segment_bytes) const;
  Status write_group(size_t first, size_t last);
  bool take_back(size_t first, size_t last);
  Status write_at_position(std::string_view bytes);
  [[nodiscard]] std::string headers_page() const;
  Status write_control(uint8_t type);
  Status pad_to_border();
  Status rotate(size_t need_bytes);
  Status ensure_spare(size_t need_bytes);
  Status refuse_if_ended() const;

  Status sync_file(File& file, uint64_t target_lsn, bool always);
  Status sync_unless_durable(uint64_t lsn, File& file, uint64_t target_lsn);
  Status lead_group();
  Status latch(Status cause);
  // Need segments_mutex_.
  [[nodiscard]] bool active_headers_are_durable() const;
  Status make_spare_locked(size_t need_bytes);
  void count_disk_bytes_locked();

  const Options options_;
  SegmentFiles segment_files_;

  std::atomic<uint64_t> written_lsn_;  // under append_mutex_
  std::atomic<uint64_t> durable_lsn_;  // under sync_mutex_
  std::atomic<bool> latched_{false};   // under sync_mutex_
  std::atomic<uint64_t> disk_bytes_{0};
  std::atomic<uint64_t> appends_{0}, records_{0}, bytes_{0}, syncs_{0}, rotations_{0}, recycled_{0};

  mutable std::mutex append_mutex_;
  // Guarded by append_mutex_
  std::shared_ptr<File> file_;
  SegmentHeader header_;
  bool headers_written_;
  bool defer_headers_ = false;
  uint64_t position_;
  uint32_t chain_;
  bool ends_in_close_;
  std::string close_to_repeat_;
  bool closed_ = false;
  std::string buffer_;
  std::vector<Pending> pending_;
  size_t leading_ = 0;  // of commit_split
  Status pending_error_;

  std::mutex sync_mutex_;  // one log sync at a time; the kernel reports a failure to one of them only

  std::mutex segments_mutex_;
  // Guarded by segments_mutex_
  std::optional<SpareSegment> spare_;
  std::deque<FullSegment> full_;
  uint64_t active_seq_;
  uint64_t active_first_lsn_;
  uint32_t active_bytes_;
  uint64_t headers_durable_seq_ = 0;  // of the segment that begin_writer() left active

  CommitGroups groups_;
};

}  // namespace cairn::wal
