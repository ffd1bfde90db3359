// Layout of the log's files: segment header, record header, names. FORMAT.md is the specification; this file and
// format.cc are the only code that knows offsets. All integers are little endian, stored as they are in memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the log's integers are stored as they lie in memory: a big-endian machine needs conversions in wal/format.cc"
#endif

namespace cairn::wal {

using StoreId = std::array<uint8_t, 16>;

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint32_t kHeaderPageBytes = 4096;  // there is a header copy at 0 and at kHeaderPageBytes
inline constexpr uint32_t kHeaderCopies = 2;
inline constexpr uint32_t kRecordsOffset = kHeaderPageBytes * kHeaderCopies;
inline constexpr uint32_t kSegmentBytesMin = 256u << 10;
inline constexpr uint32_t kSegmentBytesMax = 64u << 20;
inline constexpr uint32_t kPayloadBytesMax = 1u << 20;
inline constexpr uint32_t kRecordAlignment = 8;
inline constexpr uint32_t kBorderBytesMin = 512;
inline constexpr uint32_t kBorderBytesMax = 4096;
inline constexpr uint64_t kLsnMax = uint64_t{1} << 62;

/// Types below kFirstUserType are for the log itself: such records take no LSN and do not advance the chain; their
/// `lsn` and `chain` repeat those of the last user record before them.
inline constexpr uint8_t kFirstUserType = 16;
inline constexpr uint8_t kTypePad = 1;    // fills up to the border where the next commit group starts
inline constexpr uint8_t kTypeSeal = 2;   // last record of a full segment
inline constexpr uint8_t kTypeClose = 3;  // the store was closed; everything before it is durable

/// A reader that does not know the type may skip the record; without this flag it must refuse the log.
inline constexpr uint8_t kFlagSkippable = 1;

struct RecordHeader {
  uint32_t length_bytes = 0;  // header and payload without the alignment gap; 0 = end
  uint8_t type = 0;
  uint8_t flags = 0;
  uint16_t reserved = 0;
  uint64_t lsn = 0;
  uint32_t durable_behind = 0;  // lsn - durable LSN when this was written, saturating
  uint32_t chain = 0;           // low 32 bits of the previous user record's checksum
  uint64_t checksum = 0;
};
static_assert(sizeof(RecordHeader) == 32);
static_assert(offsetof(RecordHeader, length_bytes) == 0 && offsetof(RecordHeader, type) == 4 &&
              offsetof(RecordHeader, flags) == 5 && offsetof(RecordHeader, reserved) == 6 &&
              offsetof(RecordHeader, lsn) == 8 && offsetof(RecordHeader, durable_behind) == 16 &&
              offsetof(RecordHeader, chain) == 20 && offsetof(RecordHeader, checksum) == 24);

inline constexpr uint32_t kRecordHeaderBytes = sizeof(RecordHeader);

enum class SegmentState : uint32_t { kSpare = 1, kActive = 2 };

struct SegmentHeader {
  std::array<char, 8> magic{'C', 'A', 'I', 'R', 'N', 'W', 'A', 'L'};
  uint32_t version = kFormatVersion;
  uint32_t header_bytes = 128;  // its last 8 bytes are the checksum, in this and all later versions
  StoreId store{};
  uint64_t seq = 0;
  uint64_t first_lsn = 0;
  uint64_t salt = 0;
  uint64_t prev_last_lsn = 0;  // last LSN of the segment before; durable. first_lsn - 1
  uint32_t prev_chain = 0;     // low 32 bits of that record's checksum
  uint32_t segment_bytes = 0;
  uint64_t watermark = 0;  // durable LSN noted when the log was idle
  SegmentState state = SegmentState::kSpare;
  uint32_t reserved = 0;
  std::array<uint64_t, 4> reserved_words{};
  uint64_t checksum = 0;
};
static_assert(sizeof(SegmentHeader) == 128);
static_assert(offsetof(SegmentHeader, version) == 8 && offsetof(SegmentHeader, header_bytes) == 12 &&
              offsetof(SegmentHeader, store) == 16 && offsetof(SegmentHeader, seq) == 32 &&
              offsetof(SegmentHeader, first_lsn) == 40 && offsetof(SegmentHeader, salt) == 48 &&
              offsetof(SegmentHeader, prev_last_lsn) == 56 && offsetof(SegmentHeader, prev_chain) == 64 &&
              offsetof(SegmentHeader, segment_bytes) == 68 && offsetof(SegmentHeader, watermark) == 72 &&
              offsetof(SegmentHeader, state) == 80 && offsetof(SegmentHeader, reserved_words) == 88 &&
              offsetof(SegmentHeader, checksum) == 120);

[[nodiscard]] constexpr uint64_t round_up(uint64_t value, uint64_t step) { return (value + step - 1) / step * step; }

/// Bytes that a record with this payload takes in the segment.
[[nodiscard]] constexpr uint64_t record_space_bytes(uint64_t payload_bytes) {
  return round_up(kRecordHeaderBytes + payload_bytes, kRecordAlignment);
}

/// The smallest LSN distance that fits the field.
[[nodiscard]] constexpr uint32_t durable_distance(uint64_t lsn, uint64_t durable_lsn) {
  const uint64_t behind = lsn > durable_lsn ? lsn - durable_lsn : 0;
  return behind > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(behind);
}

/// Writes `header` with its checksum before the payload, which is already at record + 32. Returns the checksum.
uint64_t write_record_header(char* record, RecordHeader header, uint64_t offset_in_segment, uint64_t salt);

/// The header at `record`, unchecked.
[[nodiscard]] RecordHeader peek_record_header(const char* record);

/// Whether the checksum of the record is right. The caller has bounded the length. The checksum field is overwritten
/// while hashing and then restored.
[[nodiscard]] bool record_checksum_matches(char* record, uint32_t length_bytes, uint64_t offset_in_segment,
                                           uint64_t salt);

/// The 128 bytes of header copy `copy` (0 or 1), checksum included.
[[nodiscard]] std::array<char, sizeof(SegmentHeader)> encode_segment_header(SegmentHeader header, uint32_t copy);

/// Header copy `copy` from a page's first bytes; nullopt unless magic, length and checksum are right. A newer version
/// is returned too; then only `version` is meaningful.
[[nodiscard]] std::optional<SegmentHeader> decode_segment_header(std::string_view page, uint32_t copy);

/// Whether a header of this version has possible values.
[[nodiscard]] bool segment_header_is_sound(const SegmentHeader& header);

inline constexpr std::string_view kLogDirectory = "wal";
[[nodiscard]] std::string segment_name(uint64_t seq);  // "0000000000000001.wal"
[[nodiscard]] std::optional<uint64_t> parse_segment_name(std::string_view name);
[[nodiscard]] std::string log_path(std::string_view name);  // "wal/" + name

/// Largest record payload for this segment size: the smaller of 1 MiB and half a segment.
uint32_t record_bytes_max(uint32_t segment_bytes);

}  // namespace cairn::wal
