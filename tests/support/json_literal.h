// Values written as JSON in tests.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/document/operation.h"
#include "engine/json/json.h"
#include "engine/json/value.h"

namespace cairn::engine {

/// The value of a JSON text, which must be valid.
inline Value json(std::string_view text) {
  Result<Value> v = parse_json(text);
  if (!v.ok()) {
    std::fprintf(stderr, "not JSON: %.*s\n", static_cast<int>(text.size()), text.data());
    std::abort();
  }
  return std::move(v).value();
}

/// Operations from JSON: one object, or an array of them.
inline std::vector<Operation> operations(std::string_view text) {
  const std::string list = text.starts_with('[') ? std::string(text) : "[" + std::string(text) + "]";
  Result<std::vector<Operation>> ops = parse_operations(list);
  if (!ops.ok()) {
    std::fprintf(stderr, "not operations: %s\n", list.c_str());
    std::abort();
  }
  return std::move(ops).value();
}

}  // namespace cairn::engine
