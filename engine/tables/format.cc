#include "engine/tables/format.h"

#include <cstring>

#include "wal/xxh3.h"

namespace cairn::engine {
namespace {

constexpr size_t kTimeBytes = 8;
// How many bytes of a key a task name may take: the key also needs a zero byte and the longest id. A longer name is cut
// and ends in the hash of the whole name; only the record tells names with the same key apart.
constexpr size_t kTaskKeyBytes = kTableKeyBytesMax - 1 - kRunIdBytesMax;
constexpr size_t kHashDigits = 16;

void append_big_endian(std::string& out, uint64_t v) {
  char bytes[8];
  for (size_t i = 0; i < sizeof bytes; ++i) {
    bytes[i] = static_cast<char>(v >> (56 - 8 * i) & 0xff);
  }
  out.append(bytes, sizeof bytes);
}

template <class T>
std::string encode_little_endian(T v) {
  char bytes[sizeof v];
  for (size_t i = 0; i < sizeof v; ++i) {
    bytes[i] = static_cast<char>(v >> (8 * i) & 0xff);
  }
  return {bytes, sizeof v};
}

template <class T>
T decode_little_endian(const char* bytes) {
  T v = 0;
  for (size_t i = sizeof v; i-- > 0;) {
    v = static_cast<T>(v << 8 | static_cast<uint8_t>(bytes[i]));
  }
  return v;
}

uint64_t checksum(Table t, std::string_view key, std::string_view payload) {
  const uint64_t of_key = xxh3(key.data(), key.size(), static_cast<uint8_t>(t));
  return xxh3(payload.data(), payload.size(), of_key);
}

/// Times order as unsigned bytes when the sign bit is flipped: 1969 comes before 1970.
void append_time(std::string& out, int64_t us) {
  append_big_endian(out, static_cast<uint64_t>(us) ^ (uint64_t{1} << 63));
}

void append_task(std::string& out, std::string_view task) {
  if (task.size() <= kTaskKeyBytes) {
    out.append(task);
    return;
  }
  out.append(task.substr(0, kTaskKeyBytes - kHashDigits));
  const uint64_t hash = xxh3(task.data(), task.size());
  for (int shift = 60; shift >= 0; shift -= 4) {
    out.push_back("0123456789abcdef"[hash >> shift & 0xf]);
  }
}

}  // namespace

const char* table_name(Table t) {
  switch (t) {
    case Table::kRuns:
      return "runs";
    case Table::kByStatus:
      return "by_status";
    case Table::kByUpdated:
      return "by_updated";
    case Table::kByParent:
      return "by_parent";
    case Table::kByTask:
      return "by_task";
    case Table::kMeta:
      return "meta";
    case Table::kOutbox:
      return "outbox";
    case Table::kOutboxOrder:
      return "outbox_order";
    case Table::kInflight:
      return "inflight";
    case Table::kCursors:
      return "cursors";
    case Table::kDead:
      return "dead";
    case Table::kTombstones:
      return "tombstones";
    case Table::kTexts:
      return "texts";
    case Table::kByCreated:
      return "by_created";
    case Table::kByBatch:
      return "by_batch";
    case Table::kNotes:
      return "notes";
    case Table::kNotesOrder:
      return "notes_order";
    case Table::kRequests:
      return "requests";
    case Table::kRequestsOrder:
      return "requests_order";
  }
  return "";
}

void seal_value(Table t, std::string_view key, std::string& value) {
  const uint64_t sum = checksum(t, key, std::string_view(value).substr(kChecksumBytes));
  value.replace(0, kChecksumBytes, encode_little_endian(sum));
}

std::string sealed_value(Table t, std::string_view key, std::string_view payload) {
  std::string value(kChecksumBytes, '\0');
  value.append(payload);
  seal_value(t, key, value);
  return value;
}

std::optional<std::string_view> open_value(Table t, std::string_view key, std::string_view value) {
  if (value.size() < kChecksumBytes) {
    return std::nullopt;
  }
  const std::string_view payload = value.substr(kChecksumBytes);
  if (decode_little_endian<uint64_t>(value.data()) != checksum(t, key, payload)) {
    return std::nullopt;
  }
  return payload;
}

std::string encode_u32(uint32_t v) { return encode_little_endian(v); }
std::string encode_u64(uint64_t v) { return encode_little_endian(v); }

std::optional<uint32_t> decode_u32(std::string_view payload) {
  if (payload.size() != sizeof(uint32_t)) {
    return std::nullopt;
  }
  return decode_little_endian<uint32_t>(payload.data());
}

std::optional<uint64_t> decode_u64(std::string_view payload) {
  if (payload.size() != sizeof(uint64_t)) {
    return std::nullopt;
  }
  return decode_little_endian<uint64_t>(payload.data());
}

std::string by_status_key(RunStatus status, int64_t updated_us, std::string_view id) {
  return std::string(1, static_cast<char>(status)) + by_updated_key(updated_us, id);
}

std::string by_updated_key(int64_t updated_us, std::string_view id) {
  std::string key;
  key.reserve(8 + id.size());
  append_time(key, updated_us);
  return key.append(id);
}

std::string by_parent_key(std::string_view parent, std::string_view id) {
  return std::string(parent).append(1, '\0').append(id);
}

std::string by_task_key(std::string_view task, std::string_view id) {
  std::string key;
  append_task(key, task);
  return key.append(1, '\0').append(id);
}

std::string by_batch_prefix(std::string_view batch) { return std::string(batch).append(1, '\0'); }

std::string by_batch_key(std::string_view batch, uint32_t index, std::string_view id) {
  std::string key = by_batch_prefix(batch);
  for (int shift = 24; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(index >> shift & 0xff));
  }
  return key.append(id);
}

uint32_t batch_index_of_key(std::string_view key) {
  uint32_t index = 0;
  const size_t front = key.find('\0') + 1;
  for (size_t i = front; i < front + sizeof index && i < key.size(); ++i) {
    index = index << 8 | static_cast<uint8_t>(key[i]);
  }
  return index;
}

std::string text_key(std::string_view id, TextKind kind) {
  return std::string(id).append(1, '\0').append(1, static_cast<char>(kind));
}

std::optional<std::string_view> id_of_text_key(std::string_view key) {
  if (key.size() < 3 || key[key.size() - 2] != '\0' || !valid_run_id(key.substr(0, key.size() - 2))) {
    return std::nullopt;
  }
  return key.substr(0, key.size() - 2);
}

std::string encode_text(const TypedText& text) {
  std::string payload(1, static_cast<char>(text.type.size()));
  return payload.append(text.type).append(text.text);
}

std::optional<TypedText> decode_text(std::string_view payload) {
  if (payload.empty() || payload.size() - 1 < static_cast<uint8_t>(payload[0])) {
    return std::nullopt;
  }
  const size_t type_bytes = static_cast<uint8_t>(payload[0]);
  return TypedText{std::string(payload.substr(1, type_bytes)), std::string(payload.substr(1 + type_bytes))};
}

std::string outbox_order_key(uint64_t since_lsn, std::string_view id) {
  std::string key;
  append_big_endian(key, since_lsn);
  return key.append(id);
}

std::optional<std::string_view> id_of_order_key(std::string_view key) {
  if (key.size() < sizeof(uint64_t) || !valid_run_id(key.substr(sizeof(uint64_t)))) {
    return std::nullopt;
  }
  return key.substr(sizeof(uint64_t));
}

std::string index_key(Table index, const RunRecord& r) {
  switch (index) {
    case Table::kByStatus:
      return by_status_key(r.status, r.updated_us, r.id);
    case Table::kByUpdated:
      return by_updated_key(r.updated_us, r.id);
    case Table::kByParent:
      return r.parent.empty() ? std::string() : by_parent_key(r.parent, r.id);
    case Table::kByTask:
      return r.task.empty() ? std::string() : by_task_key(r.task, r.id);
    case Table::kByCreated:
      return by_updated_key(r.created_us, r.id);
    case Table::kByBatch:
      return !r.details || r.details->batch.empty() ? std::string()
                                                    : by_batch_key(r.details->batch, r.details->batch_index, r.id);
    default:
      return {};  // no index
  }
}

IndexKeys index_keys(const RunRecord& r) {
  IndexKeys keys;
  for (size_t i = 0; i < kIndexes.size(); ++i) {
    keys[i] = index_key(kIndexes[i], r);
  }
  return keys;
}

int64_t time_of_index_key(Table index, std::string_view key) {
  const size_t front = index == Table::kByStatus ? 1 : 0;
  uint64_t us = 0;
  for (size_t i = front; i < front + kTimeBytes && i < key.size(); ++i) {
    us = us << 8 | static_cast<uint8_t>(key[i]);
  }
  return static_cast<int64_t>(us ^ (uint64_t{1} << 63));
}

std::optional<std::string_view> id_of_index_key(Table index, std::string_view key) {
  size_t front = 0;
  switch (index) {
    case Table::kByStatus:
      front = 1 + kTimeBytes;
      break;
    case Table::kByUpdated:
    case Table::kByCreated:
      front = kTimeBytes;
      break;
    case Table::kByBatch: {
      const size_t zero = key.find('\0');
      if (zero == std::string_view::npos) {
        return std::nullopt;
      }
      front = zero + 1 + sizeof(uint32_t);
      break;
    }
    case Table::kByParent:
    case Table::kByTask: {
      // An id holds no zero byte, so the last one is the border even if a task name holds some.
      const size_t zero = key.rfind('\0');
      if (zero == std::string_view::npos) {
        return std::nullopt;
      }
      front = zero + 1;
      break;
    }
    default:
      return std::nullopt;  // no index
  }
  if (key.size() < front || !valid_run_id(key.substr(front))) {
    return std::nullopt;
  }
  return key.substr(front);
}

}  // namespace cairn::engine
