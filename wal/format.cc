#include "wal/format.h"

#include <bit>
#include <cassert>
#include <cstring>

#include "wal/xxh3.h"

namespace cairn::wal {
namespace {

constexpr size_t kChecksumOffset = offsetof(RecordHeader, checksum);

// The hashed bytes are header (24), offset (8), payload: the offset is put in the place of the checksum, so one call
// over contiguous bytes does it. The streaming form costs about 50 ns a record more.
uint64_t hash_in_place(char* record, uint32_t length_bytes, uint64_t offset_in_segment, uint64_t salt) {
  std::memcpy(record + kChecksumOffset, &offset_in_segment, sizeof(offset_in_segment));
  return xxh3(record, length_bytes, salt);
}

uint64_t header_checksum(const char* bytes, size_t header_bytes, uint32_t copy) {
  return xxh3(bytes, header_bytes - sizeof(uint64_t), uint64_t{copy} * kHeaderPageBytes);
}

}  // namespace

uint32_t record_bytes_max(uint32_t segment_bytes) { return std::min(kPayloadBytesMax, segment_bytes / 2); }

uint64_t write_record_header(char* record, RecordHeader header, uint64_t offset_in_segment, uint64_t salt) {
  assert(header.length_bytes >= kRecordHeaderBytes && offset_in_segment % kRecordAlignment == 0);
  std::memcpy(record, &header, sizeof(header));
  const uint64_t checksum = hash_in_place(record, header.length_bytes, offset_in_segment, salt);
  std::memcpy(record + kChecksumOffset, &checksum, sizeof(checksum));
  return checksum;
}

RecordHeader peek_record_header(const char* record) {
  RecordHeader header;
  std::memcpy(&header, record, sizeof(header));
  return header;
}

bool record_checksum_matches(char* record, uint32_t length_bytes, uint64_t offset_in_segment, uint64_t salt) {
  uint64_t stored = 0;
  std::memcpy(&stored, record + kChecksumOffset, sizeof(stored));
  const uint64_t actual = hash_in_place(record, length_bytes, offset_in_segment, salt);
  std::memcpy(record + kChecksumOffset, &stored, sizeof(stored));
  return stored == actual;
}

std::array<char, sizeof(SegmentHeader)> encode_segment_header(SegmentHeader header, uint32_t copy) {
  std::array<char, sizeof(SegmentHeader)> bytes;
  header.checksum = header_checksum(reinterpret_cast<const char*>(&header), sizeof(header), copy);
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

std::optional<SegmentHeader> decode_segment_header(std::string_view page, uint32_t copy) {
  SegmentHeader header;
  if (page.size() < sizeof(header)) {
    return std::nullopt;
  }
  const auto magic = header.magic;
  std::memcpy(&header, page.data(), sizeof(header));
  if (header.magic != magic || header.header_bytes < sizeof(header) || header.header_bytes > page.size() ||
      header.header_bytes % sizeof(uint64_t) != 0) {
    return std::nullopt;
  }
  uint64_t stored = 0;
  std::memcpy(&stored, page.data() + header.header_bytes - sizeof(stored), sizeof(stored));
  if (stored != header_checksum(page.data(), header.header_bytes, copy)) {
    return std::nullopt;
  }
  return header;
}

bool segment_header_is_sound(const SegmentHeader& header) {
  if (header.version != kFormatVersion || header.header_bytes != sizeof(SegmentHeader) ||
      header.segment_bytes < kSegmentBytesMin || header.segment_bytes > kSegmentBytesMax ||
      !std::has_single_bit(header.segment_bytes)) {
    return false;
  }
  if (header.state == SegmentState::kSpare) {
    return true;
  }
  return header.state == SegmentState::kActive && header.first_lsn >= 1 && header.first_lsn <= kLsnMax &&
         header.prev_last_lsn + 1 == header.first_lsn && header.watermark <= kLsnMax;
}

std::string segment_name(uint64_t seq) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name(16, '0');
  for (size_t i = 16; i-- > 0; seq >>= 4) {
    name[i] = kDigits[seq & 15];
  }
  return name + ".wal";
}

std::optional<uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != 20 || name.substr(16) != ".wal") {
    return std::nullopt;
  }
  uint64_t seq = 0;
  for (const char c : name.substr(0, 16)) {
    if (c >= '0' && c <= '9') {
      seq = seq << 4 | static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      seq = seq << 4 | static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return seq;
}

std::string log_path(std::string_view name) { return std::string(kLogDirectory).append("/").append(name); }

}  // namespace cairn::wal
