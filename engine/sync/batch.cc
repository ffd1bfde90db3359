#include "engine/sync/batch.h"

#include <algorithm>

#include "engine/json/msgpack_cursor.h"
#include "engine/sync/message_fields.h"

namespace cairn::engine::sync {

namespace {

constexpr size_t kEntryBytesMin = 4;
constexpr Status kBadBatch{Code::kCorrupt, "malformed batch"};
constexpr Status kBadEntry{Code::kCorrupt, "malformed batch entry"};

}  // namespace

std::string seal_batch(BatchHeader header, uint32_t entries, std::string_view body) {
  header.entries = entries;
  header.body_bytes = static_cast<uint32_t>(body.size());
  header.digest = digest_of(bytes_of(header, offsetof(BatchHeader, digest)), body);
  std::string bytes(bytes_of(header, sizeof header));
  bytes += body;
  return bytes;
}

Result<BatchHeader> decode_batch_header(std::string_view bytes) {
  BatchHeader header;
  if (!read_header(bytes, "CRNB", header)) {
    return kBadBatch;
  }
  if (header.version != kProtocolVersion) {
    return kOtherVersion;
  }
  const std::string_view body = bytes.substr(sizeof header);
  if (header.body_bytes != body.size() || header.lane != 0 || header.seq == 0 || is_zero(header.stream) ||
      is_zero(header.owner) || header.digest != digest_of(bytes.substr(0, offsetof(BatchHeader, digest)), body)) {
    return kBadBatch;
  }
  return header;
}

Result<Batch> decode_entries(const BatchHeader& header, std::string_view bytes) {
  Batch batch;
  batch.header = header;
  bytes.remove_prefix(sizeof(BatchHeader));
  if (header.entries > kEntriesMax || header.entries > bytes.size() / kEntryBytesMin) {
    return kBadBatch;
  }
  MsgpackCursor in(bytes);
  batch.entries.reserve(std::min<size_t>(header.entries, kReservedMax));
  for (uint32_t i = 0; i < header.entries; ++i) {
    if (!read_entry(in, header.wall_us, batch.entries.emplace_back())) {
      return kBadEntry;
    }
  }
  std::vector<std::string_view> ids;
  ids.reserve(batch.entries.size());
  for (const Entry& e : batch.entries) {
    ids.push_back(e.id);
  }
  return in.at_end() && all_differ(std::move(ids)) ? Result<Batch>(std::move(batch)) : kBadEntry;
}

Result<Batch> decode_batch(std::string_view bytes) {
  CAIRN_TRY_ASSIGN(const BatchHeader header, decode_batch_header(bytes));
  return decode_entries(header, bytes);
}

Result<size_t> bytes_of_entries(std::string_view body, size_t count) {
  MsgpackCursor in(body);
  std::string_view span;
  for (size_t i = 0; i < count; ++i) {
    if (!in.read_span(span)) {
      return kBadEntry;
    }
  }
  return body.size() - in.remaining();
}

}  // namespace cairn::engine::sync
