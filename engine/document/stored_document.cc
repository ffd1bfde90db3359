#include "engine/document/stored_document.h"

#include "engine/document/path_apply.h"
#include "engine/json/msgpack.h"
#include "engine/json/msgpack_cursor.h"

namespace cairn::engine {

namespace {

/// Narrows `value`, an object, to the value of one of its keys.
Found enter(std::string_view& value, size_t keys, MsgpackCursor in, std::string_view name) {
  for (; keys > 0; --keys) {
    std::string_view key;
    std::string_view of_key;
    if (!in.read_string(key) || !in.read_span(of_key)) {
      return Found::kMalformed;
    }
    if (key == name) {
      value = of_key;
      return Found::kValue;
    }
  }
  return Found::kNothing;
}

}  // namespace

Found find_in_stored(std::string_view document, const std::vector<Segment>& path, Value& value) {
  std::string_view at = document;
  size_t depth = 0;
  for (; depth < path.size() && path[depth].kind == Segment::Kind::kName; ++depth) {
    MsgpackCursor in(at);
    size_t keys = 0;
    if (!in.read_map(keys)) {
      break;  // an array, whose names are indexes, or a leaf, which has none
    }
    if (const Found found = enter(at, keys, in, path[depth].name); found != Found::kValue) {
      return found;
    }
  }
  auto decoded = decode_msgpack(at, kStoredDepthMax);
  if (!decoded.ok()) {
    return Found::kMalformed;
  }
  if (depth == path.size()) {
    value = std::move(*decoded);
    return Found::kValue;
  }
  const Value* found = find_at(*decoded, path, depth);
  if (found == nullptr) {
    return Found::kNothing;
  }
  value = *found;
  return Found::kValue;
}

}  // namespace cairn::engine
