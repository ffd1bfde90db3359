// Members of a parsed object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/json/value.h"

namespace cairn::tools {

template <class T>
const T* member_at(const engine::Object& object, std::string_view name) {
  const engine::Value* value = engine::find_property(object, name);
  return value == nullptr ? nullptr : value->get<T>();
}

/// Null: there is none, or it is no text.
inline const std::string* text_at(const engine::Object& object, std::string_view name) {
  return member_at<std::string>(object, name);
}

/// A whole number, also as text, as 64-bit numbers are written. 0: there is none.
uint64_t number_at(const engine::Object& object, std::string_view name);

}  // namespace cairn::tools
