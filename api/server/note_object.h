// The JSON objects that a RunStore keeps in notes: what a request was answered, and what a batch has.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/json/value.h"

namespace cairn::server {

/// Empty: there is none, or it is no text.
inline std::string text_member(const engine::Object& object, std::string_view key) {
  const engine::Value* value = engine::find_property(object, key);
  const auto* text = value == nullptr ? nullptr : value->get<std::string>();
  return text == nullptr ? std::string() : *text;
}

/// 0: there is none, or it is no integer.
inline int64_t number_member(const engine::Object& object, std::string_view key) {
  const engine::Value* value = engine::find_property(object, key);
  const auto* number = value == nullptr ? nullptr : value->get<int64_t>();
  return number == nullptr ? 0 : *number;
}

inline void set_member(engine::Object& object, std::string_view key, engine::Value value) {
  const auto at = std::find_if(object.begin(), object.end(), [key](const auto& p) { return p.key == key; });
  if (at == object.end()) {
    object.push_back({std::string(key), std::move(value)});
  } else {
    at->value = std::move(value);
  }
}

}  // namespace cairn::server
