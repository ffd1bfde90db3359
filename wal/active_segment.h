// The segment that is appended to: what is written at its end, and in which form. Everything with the append mutex held.
//
// Invariants:
//   - its headers are written with its first records, and name the durable end of the segment before;
//   - the sector that ends a synced group is never written again (PAD to the border before the sync).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/status.h"
#include "wal/files.h"
#include "wal/format.h"
#include "wal/log_sync.h"
#include "wal/pending_records.h"

namespace cairn::wal {

class ActiveSegment {
 public:
  /// The segment with which a writer begins.
  struct Start {
    std::shared_ptr<File> file;
    SegmentHeader header;  // as on disk or as it will be
    bool headers_written = false;
    uint64_t position = kRecordsOffset;
    uint32_t chain = 0;
    std::string close;  // not empty: the clean-close marker and its padding, which end at `position`
  };
  /// `written_bytes`: counts what is written at its end.
  ActiveSegment(Start&& start, uint32_t border_bytes, LogSync& sync, std::atomic<uint64_t>& written_bytes)
      : border_bytes_(border_bytes),
        sync_(sync),
        written_bytes_(written_bytes),
        file_(std::move(start.file)),
        header_(start.header),
        headers_written_(start.headers_written),
        position_(start.position),
        chain_(start.chain),
        ends_in_close_(!start.close.empty()),
        close_to_repeat_(std::move(start.close)) {}

  [[nodiscard]] const std::shared_ptr<File>& file() const { return file_; }
  [[nodiscard]] const SegmentHeader& header() const { return header_; }
  /// Of the last record.
  [[nodiscard]] uint32_t chain() const { return chain_; }
  [[nodiscard]] bool fits(size_t bytes) const {
    return position_ + bytes <= uint64_t{header_.segment_bytes} - border_bytes_;
  }

  /// Writes the records from `first` up to `last` (exclusive), which fit. On failure none of them can be read, or the
  /// log is latched; but for those before `leading`, which may stay.
  Status append(PendingRecords& records, size_t first, size_t last, size_t leading);
  Status pad_to_border();
  /// Instead of the padding, which readers do not need, when there is no space for it.
  void skip_to_border();
  /// The end of a full segment.
  Status seal();
  /// The clean-close marker, which says that all before it is durable.
  Status write_close();
  [[nodiscard]] bool ends_in_close() const { return ends_in_close_; }
  void set_ends_in_close() { ends_in_close_ = true; }
  /// From now on nothing brings the headers along; then they are written.
  void defer_headers() { defer_headers_ = true; }
  Status write_headers();
  /// Writes the durable LSN into one of the headers, so that a power cut that destroys it leaves the other.
  Status note_watermark(uint64_t durable_lsn);
  /// The spare that `header` describes takes its place.
  void begin(std::shared_ptr<File>&& file, const SegmentHeader& header) noexcept;

 private:
  Status write(std::string_view bytes);
  bool take_back(const PendingRecords& records, size_t first, size_t last, size_t leading);
  [[nodiscard]] bool may_be_there(uint64_t offset, std::string_view record) const;
  [[nodiscard]] std::string headers_page() const;
  Status write_control(uint8_t type);

  const uint32_t border_bytes_;
  LogSync& sync_;
  std::atomic<uint64_t>& written_bytes_;
  std::shared_ptr<File> file_;
  SegmentHeader header_;
  bool headers_written_;
  bool defer_headers_ = false;
  uint64_t position_;  // of the next record
  uint32_t chain_;
  bool ends_in_close_;
  std::string close_to_repeat_;
};

}  // namespace cairn::wal
