#include "engine/sync/message_fields.h"

#include "engine/json/json.h"
#include "engine/json/msgpack.h"
#include "engine/records/run_record.h"
#include "engine/sync/message.h"

namespace cairn::engine::sync {

bool read_text(MsgpackCursor& in, std::string& s, size_t bytes_max) {
  std::string_view text;
  if (!in.read_string(text) || text.size() > bytes_max || !valid_utf8(text)) {
    return false;
  }
  s = text;
  return true;
}

bool read_run_id(MsgpackCursor& in, std::string& id) { return read_text(in, id, kRunIdBytesMax) && valid_run_id(id); }

bool read_object(MsgpackCursor& in, Object& object, bool* too_deep) {
  std::string_view span;
  if (!in.read_span(span)) {
    return false;
  }
  Result<Value> value = decode_msgpack(span, kStoredDepthMax);
  if (value.code() == Code::kTooDeep && too_deep != nullptr) {
    *too_deep = true;
    return true;
  }
  Object* members = value.ok() ? value->get<Object>() : nullptr;
  if (members == nullptr) {
    return false;
  }
  object = std::move(*members);
  return true;
}

void write_id(MsgpackWriter& out, const std::array<uint8_t, 16>& id) {
  out.write_string({reinterpret_cast<const char*>(id.data()), id.size()});
}

bool read_id(MsgpackCursor& in, std::array<uint8_t, 16>& id) {
  std::string_view bytes;
  if (!in.read_string(bytes) || bytes.size() != id.size()) {
    return false;
  }
  std::memcpy(id.data(), bytes.data(), id.size());
  return true;
}

namespace {

constexpr size_t kPlainHeadBytes = 6;
constexpr size_t kCheckBytes = sizeof(Digest);

}  // namespace

std::string begin_plain(const char* magic) {
  std::string out(magic, 4);
  out.push_back(static_cast<char>(kProtocolVersion & 0xff));
  out.push_back(static_cast<char>(kProtocolVersion >> 8));
  return out;
}

void end_plain(std::string& out) {
  const Digest check = digest_of(out);
  out.append(reinterpret_cast<const char*>(check.data()), check.size());
}

Status open_plain(std::string_view bytes, const char* magic, Status bad, std::string_view& body) {
  if (bytes.size() < kPlainHeadBytes + kCheckBytes || bytes.substr(0, 4) != magic) {
    return bad;
  }
  if (static_cast<uint8_t>(bytes[4]) != kProtocolVersion || bytes[5] != 0) {
    return kOtherVersion;
  }
  const std::string_view checked = bytes.substr(0, bytes.size() - kCheckBytes);
  const Digest check = digest_of(checked);
  if (std::memcmp(check.data(), bytes.data() + checked.size(), check.size()) != 0) {
    return bad;
  }
  body = checked.substr(kPlainHeadBytes);
  return {};
}

}  // namespace cairn::engine::sync
