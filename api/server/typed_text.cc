#include "api/server/typed_text.h"

#include <utility>

#include "api/server/json_syntax.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kSuperJson = "application/super+json";  // {"json": ..., "meta"?: ...}
constexpr std::string_view kStore = "application/store";           // the text is where the value is to be fetched

Result<engine::Value> parsed(const TypedText& typed) {
  return engine::parse_json(typed.text, SIZE_MAX, engine::kStoredDepthMax);
}

}  // namespace

bool is_json_type(std::string_view type) { return type == kJson || type == kSuperJson; }

std::string why_not_of_type(const TypedText& typed) {
  if (typed.type == kStore) {
    return "cannot be kept elsewhere (application/store): at most 256 KiB are kept here";
  }
  if (!is_json_type(typed.type)) {
    return {};
  }
  if (!is_json(typed.text)) {
    return "is not " + typed.type + ": it does not parse. Send text as text/plain";
  }
  const auto value = parsed(typed);
  if (!value.ok()) {
    return {};  // half of a surrogate pair, say: clients take it
  }
  const auto* envelope = value->get<engine::Object>();
  if (typed.type == kSuperJson && (envelope == nullptr || engine::find_property(*envelope, "json") == nullptr)) {
    return "is not application/super+json: an object with the member json";
  }
  return {};
}

engine::Value decode_typed(const TypedText& typed) {
  if (!is_json_type(typed.type)) {
    return engine::Value(typed.text);
  }
  auto value = parsed(typed);
  if (!value.ok()) {
    return engine::Value(typed.text);
  }
  if (typed.type == kSuperJson) {
    const auto* envelope = value->get<engine::Object>();
    const engine::Value* inside = envelope == nullptr ? nullptr : engine::find_property(*envelope, "json");
    if (inside != nullptr) {
      return *inside;
    }
  }
  return std::move(*value);
}

}  // namespace cairn::server
