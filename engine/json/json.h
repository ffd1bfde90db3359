// Parses and writes JSON text, and computes its exact size in bytes.
// Text is compact, keeps insertion order, escapes as JSON.stringify does; doubles print as ECMAScript's
// Number::toString.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/json/value.h"

namespace cairn::engine {

/// Longest text of a double.
inline constexpr size_t kDoubleTextMax = 25;

/// Parses the whole input as one JSON value. Duplicate keys: the last wins, at the place of the first. Integers beyond
/// 64 bits and numbers such as 1e2 or 1.0 are doubles; a number that no double can hold, e.g. 1e400: kNotFinite. A
/// member "__proto__" of any object is dropped (as Trigger.dev's server does). Errors: kInvalidJson, kInvalidUtf8 (also
/// lone surrogates), kTooDeep (more than depth_max levels of containers), kNotFinite, kTooLarge (over bytes_max).
Result<Value> parse_json(std::string_view text, size_t bytes_max = 8u << 20, int depth_max = kDepthMax);

void append_json(std::string& out, const Value& v);
std::string to_json(const Value& v);

/// Exactly the bytes that append_json would add.
size_t json_bytes(const Value& v);
/// The size of the quoted, escaped string.
size_t json_string_bytes(std::string_view s);
void append_json_string(std::string& out, std::string_view s);

/// Writes at most kDoubleTextMax bytes, returns how many. `d` is finite.
size_t format_double(double d, char* out);
/// Length of that text; fast for numbers of few decimals.
size_t double_text_bytes(double d);
size_t integer_text_bytes(int64_t i);
size_t integer_text_bytes(uint64_t u);

bool valid_utf8(std::string_view s);
/// The longest beginning of at most `bytes_max` bytes that ends with a character.
std::string_view shortened(std::string_view text, size_t bytes_max);

}  // namespace cairn::engine
