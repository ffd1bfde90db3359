// Values of a given nesting, for tests of its bound.
#pragma once

#include <string>
#include <utility>

#include "engine/json/value.h"

namespace cairn::tests {

/// Arrays in arrays: `levels` of them, the innermost empty; without one the number 1.
inline engine::Value deep_value(int levels) {
  if (levels == 0) {
    return {1};
  }
  engine::Value v = engine::Array{};
  for (int i = 1; i < levels; ++i) {
    v = engine::Value(engine::Array{std::move(v)});
  }
  return v;
}

inline std::string deep_json(int levels) {
  return levels == 0 ? "1"
                     : std::string(static_cast<size_t>(levels), '[') + std::string(static_cast<size_t>(levels), ']');
}

/// An object in whose member `a` such a value stands: `levels` with the object itself.
inline engine::Object deep_object(int levels) { return {{"a", deep_value(levels - 1)}}; }

}  // namespace cairn::tests
