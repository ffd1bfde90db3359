// Checks values of callers: each function returns a maker, Status make(Value&, uint64_t text_bytes_max).
#pragma once

#include <cmath>
#include <utility>

#include "api/handles.h"
#include "engine/json/json.h"
#include "engine/json/msgpack.h"
#include "engine/json/value.h"

namespace cairn::api {

inline auto number(double v) {
  return [v](engine::Value& out, uint64_t /*text_bytes_max*/) -> Status {
    if (!std::isfinite(v)) {
      return {Code::kNotFinite, "NaN and infinity are not JSON numbers"};
    }
    out = v;
    return {};
  };
}

/// Values that need no check: an integer, a bool, null.
template <class T>
auto plain(T v) {
  return [v](engine::Value& out, uint64_t /*text_bytes_max*/) -> Status {
    out = engine::Value(v);
    return {};
  };
}

inline auto text(const char* value, size_t bytes) {
  return [value, bytes](engine::Value& out, uint64_t text_bytes_max) -> Status {
    CAIRN_TRY(check_bytes(value, bytes, text_bytes_max, "value: a null pointer"));
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
  return [value, bytes](engine::Value& out, uint64_t /*text_bytes_max*/) -> Status {
    CAIRN_TRY(check_bytes(value, bytes, kInputBytesMax, "json: a null pointer"));
    return take(engine::parse_json(view_of(value, bytes)), out);
  };
}

inline auto msgpack(const void* value, size_t bytes) {
  return [value, bytes](engine::Value& out, uint64_t /*text_bytes_max*/) -> Status {
    CAIRN_TRY(check_bytes(value, bytes, kInputBytesMax, "msgpack: a null pointer"));
    return take(engine::decode_msgpack(view_of(value, bytes)), out);
  };
}

/// The value of `make`, which must be an object: the whole metadata.
template <class Make>
auto object(Make make) {
  return [make](engine::Value& out, uint64_t text_bytes_max) -> Status {
    CAIRN_TRY(make(out, text_bytes_max));
    if (!out.is(engine::Type::kObject)) {
      return {Code::kTypeMismatch, "metadata must be an object, not an array, string, number, bool or null"};
    }
    return {};
  };
}

/// The value of `key` in `engine`'s store.
template <class Make>
Status make_value(Make&& make, const engine::Store& engine, std::string_view key, engine::Value& out) {
  const uint64_t text_bytes_max = engine.options().metadata_bytes_max;
  const Status made = make(out, text_bytes_max);
  if (made.code == Code::kTooLarge) {
    engine::ErrorDetail& detail = engine::error_detail();  // check_bytes filled the rest
    detail.key = key;
    const uint64_t around = key.size() + std::string_view(R"({"":""})").size();  // what such a document has at least
    if (detail.limit == text_bytes_max && detail.needed <= UINT64_MAX - around) {
      detail.needed += around;
    }
  }
  return made;
}

}  // namespace cairn::api
