// Values as callers give them, checked: each function returns a maker, Status make(Value&).
#pragma once

#include <cmath>
#include <utility>

#include "api/handles.h"
#include "engine/json.h"
#include "engine/msgpack.h"
#include "engine/value.h"

namespace cairn::api {

inline auto number(double v) {
  return [v](engine::Value& out) -> Status {
    if (!std::isfinite(v)) {
      return {Code::kNotFinite, "NaN and infinity are no JSON numbers"};
    }
    out = v;
    return {};
  };
}

/// What needs no check: an integer, a bool, null.
template <class T>
auto plain(T v) {
  return [v](engine::Value& out) -> Status {
    out = engine::Value(v);
    return {};
  };
}

inline auto text(const char* value, size_t bytes) {
  return [value, bytes](engine::Value& out) -> Status {
    if (!valid_bytes(value, bytes)) {
      return invalid("value: a null pointer");
    }
    const std::string_view view = view_of(value, bytes);
    if (!engine::valid_utf8(view)) {
      return {Code::kInvalidUtf8, "the value is not UTF-8"};
    }
    out = engine::Value(view);
    return {};
  };
}

inline Status take(Result<engine::Value>&& parsed, engine::Value& out) {
  if (!parsed.ok()) {
    return parsed.status();
  }
  out = std::move(parsed).value();
  return {};
}

inline auto json(const char* value, size_t bytes) {
  return [value, bytes](engine::Value& out) -> Status {
    return valid_bytes(value, bytes) ? take(engine::parse_json(view_of(value, bytes)), out)
                                     : invalid("json: a null pointer");
  };
}

inline auto msgpack(const void* value, size_t bytes) {
  return [value, bytes](engine::Value& out) -> Status {
    return valid_bytes(value, bytes) ? take(engine::decode_msgpack(view_of(value, bytes)), out)
                                     : invalid("msgpack: a null pointer");
  };
}

/// What `make` gives, if it is an object: the whole metadata.
template <class Make>
auto object(Make make) {
  return [make](engine::Value& out) -> Status {
    CAIRN_TRY(make(out));
    if (!out.is(engine::Type::kObject)) {
      return {Code::kTypeMismatch, "metadata is an object, not an array, string, number, bool or null"};
    }
    return {};
  };
}

}  // namespace cairn::api
