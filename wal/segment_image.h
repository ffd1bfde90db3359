// One segment in memory, for readers: finds which bytes are valid records, and walks along the prefix chain. FORMAT.md
// numbers the rules.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "wal/files.h"
#include "wal/format.h"

namespace cairn::wal {

/// A record whose checksum is right. `payload` points into the image.
struct ImageRecord {
  RecordHeader header;
  std::string_view payload;
  uint64_t offset = 0;
  uint64_t next_offset = 0;
  /// The durable LSN that it attests.
  [[nodiscard]] uint64_t watermark() const { return header.lsn - header.durable_behind; }
};

class SegmentImage {
 public:
  /// Reads the segment. Bytes that the file lacks read as zero.
  Status load(File& file, const SegmentHeader& header);
  /// Reads it again from `offset` on: a process may be writing the log.
  Status reload(File& file, uint64_t offset);

  /// The valid record at `offset`, by the rules on place, length and checksum (not on LSN and chain).
  [[nodiscard]] std::optional<ImageRecord> record_at(uint64_t offset);
  /// Whether the header at `offset` looks like a record at or after `lsn_next`; its checksum is not checked.
  [[nodiscard]] bool is_plausible(uint64_t offset, uint64_t lsn_next) const;
  /// The next record from `offset` on that is_plausible() and has a right checksum. `budget_bytes` bounds the hashing:
  /// payloads may be forged to look like many long records.
  [[nodiscard]] std::optional<ImageRecord> find_from(uint64_t offset, uint64_t lsn_next, uint64_t& budget_bytes);
  /// For a segment without a valid header, and so without salt: whether it has records at or after `lsn_next`, chained
  /// to one another, that attest a durable LSN at or after it.
  [[nodiscard]] bool hints_at_durable(uint64_t lsn_next) const;

  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const SegmentHeader& header() const { return header_; }
  [[nodiscard]] std::string_view view(uint64_t from, uint64_t to) const { return {data_.get() + from, to - from}; }

 private:
  SegmentHeader header_;
  std::unique_ptr<char[]> data_;
  uint64_t capacity_ = 0;
  uint64_t bytes_ = 0;
};

/// Walks a segment's records in order, as long as LSN and chain match.
class ChainWalk {
 public:
  enum class Step { kRecord, kSealed, kBad, kUnknownType };

  ChainWalk(SegmentImage& image, uint64_t lsn_next, uint32_t chain)
      : image_(image), lsn_next_(lsn_next), chain_(chain) {}

  /// Moves past the next user record, which it returns; skips the log's own records.
  Step step(ImageRecord& record);

  [[nodiscard]] uint64_t lsn_next() const { return lsn_next_; }
  [[nodiscard]] uint32_t chain() const { return chain_; }
  /// The offset after the last record that matched, where the next is expected.
  [[nodiscard]] uint64_t offset() const { return offset_; }
  [[nodiscard]] uint64_t watermark() const { return watermark_; }
  /// The last record was a clean-close marker, not counting padding.
  [[nodiscard]] bool at_close() const { return at_close_; }
  /// The offset of that marker.
  [[nodiscard]] uint64_t close_offset() const { return close_offset_; }

 private:
  [[nodiscard]] std::optional<ImageRecord> fitting_record_at(uint64_t offset);
  [[nodiscard]] std::optional<ImageRecord> next_record();

  SegmentImage& image_;
  uint64_t lsn_next_;
  uint32_t chain_;
  uint64_t offset_ = kRecordsOffset;
  uint64_t watermark_ = 0;
  bool at_close_ = false;
  uint64_t close_offset_ = 0;
};

/// A file in the log's directory by its name and header.
struct SegmentEntry {
  enum class Kind : uint8_t {
    kActive,
    kSpare,
    kBad,       // both header copies are damaged
    kMisnamed,  // a valid header with another number: a renamed or copied file
    kForeign,   // of another store
    kNewer,     // of a newer format version
  };
  std::string name;
  uint64_t seq = 0;
  Kind kind = Kind::kBad;
  SegmentHeader header;
  uint64_t file_bytes = 0;
};

/// Whether a segment may have this length. A file with a segment's name never has another, even before its headers are
/// synced.
[[nodiscard]] bool is_segment_length(uint64_t file_bytes);

/// All segment files, by number. Other files are ignored. A file that is removed meanwhile is left out.
Result<std::vector<SegmentEntry>> list_segments(Files& files, const StoreId& store);

/// Opens an entry's file for reading and loads it.
Status load_segment(Files& files, const SegmentEntry& entry, SegmentImage& image, std::unique_ptr<File>& file);

}  // namespace cairn::wal
