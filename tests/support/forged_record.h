// Records of the log with other bytes in them, under checksums that are right: what a program with spoiled memory
// writes, and no disk.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "wal/format.h"

namespace cairn::tests {

/// Of the segment file: changes the payload of the record at `offset`, not its length. Each record is chained to the
/// checksum of the one before it, so those behind it get new ones too.
inline void forge_record(const std::string& file, uint64_t offset, const std::function<void(std::string&)>& change) {
  std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(f), {});
  const auto segment = wal::decode_segment_header(std::string_view(bytes).substr(0, wal::kHeaderPageBytes), 0);
  ASSERT_TRUE(segment.has_value());
  const auto record_at = [&](uint64_t at) -> std::optional<wal::RecordHeader> {
    if (at + wal::kRecordHeaderBytes > bytes.size()) {
      return std::nullopt;
    }
    const wal::RecordHeader header = wal::peek_record_header(&bytes[at]);
    const bool whole = header.length_bytes >= wal::kRecordHeaderBytes && at + header.length_bytes <= bytes.size() &&
                       wal::record_checksum_matches(&bytes[at], header.length_bytes, at, segment->salt);
    return whole ? std::optional(header) : std::nullopt;
  };

  auto header = record_at(offset);
  ASSERT_TRUE(header.has_value()) << "no record at offset " << offset;
  std::string payload = bytes.substr(offset + wal::kRecordHeaderBytes, header->length_bytes - wal::kRecordHeaderBytes);
  const size_t length = payload.size();
  change(payload);
  ASSERT_EQ(payload.size(), length);
  bytes.replace(offset + wal::kRecordHeaderBytes, length, payload);
  uint32_t chain = header->chain;
  while (header) {
    header->chain = chain;
    const uint64_t checksum = wal::write_record_header(&bytes[offset], *header, offset, segment->salt);
    chain = header->type >= wal::kFirstUserType ? static_cast<uint32_t>(checksum) : chain;
    offset += wal::record_space_bytes(header->length_bytes - wal::kRecordHeaderBytes);
    header = record_at(offset);
    // Padding shorter than a record is implicit.
    for (const uint64_t border : {wal::kBorderBytesMin, wal::kBorderBytesMax}) {
      if (!header) {
        offset = wal::round_up(offset, border);
        header = record_at(offset);
      }
    }
  }
  f.seekp(0);
  f.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(f.good());
}

}  // namespace cairn::tests
