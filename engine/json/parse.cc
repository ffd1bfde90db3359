// Parses JSON text with simdjson's On-Demand parser. It first finds the structure and checks the UTF-8 of the whole
// text; the tokens are checked here. Numbers are read from their raw tokens, because simdjson reads -0 as the integer 0
// and refuses integers beyond 64 bits.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>

#include "engine/base/thread_object.h"
#include "engine/json/json.h"
#include "simdjson.h"

namespace cairn::engine {
namespace {

namespace ondemand = simdjson::ondemand;

// A thread keeps its parser and buffer for texts up to this size (about six times as much memory); for larger texts
// they are allocated and freed.
constexpr size_t kKeptTextBytesMax = 64u << 10;

Status status_of(simdjson::error_code error) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return {Code::kInvalidUtf8, "parse JSON: not UTF-8"};
    case simdjson::MEMALLOC:
      return {Code::kNoMemory, "no memory to parse JSON"};
    case simdjson::CAPACITY:
      return {Code::kTooLarge, "the JSON text is over 4 GiB"};
    default:
      return {Code::kInvalidJson, "not JSON text"};
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// The error of a string that simdjson refused: if all its escapes are well formed, it has a lone surrogate. `raw`
/// starts after the opening quote; there is a closing one, because the structure was found.
Status status_of_string(const char* raw) {
  constexpr Status kMalformed{Code::kInvalidJson, "malformed JSON: a wrong escape in a string"};
  for (const char* at = raw; *at != '"'; ++at) {
    if (*at != '\\') {
      continue;
    }
    ++at;
    if (*at == 'u') {
      if (!std::all_of(at + 1, at + 5, is_hex)) {
        return kMalformed;
      }
      at += 4;
    } else if (*at == '\0' || std::strchr("\"\\/bfnrt", *at) == nullptr) {
      return kMalformed;
    }
  }
  return {Code::kInvalidUtf8, "JSON with a lone surrogate"};
}

bool skip_digits(std::string_view token, size_t& at) {
  const size_t begin = at;
  while (at < token.size() && is_digit(token[at])) {
    ++at;
  }
  return at > begin;
}

/// -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
bool is_number_text(std::string_view token, bool& integer) {
  size_t at = token.starts_with('-') ? 1 : 0;
  const bool zero_first = at < token.size() && token[at] == '0';
  if (zero_first) {
    ++at;
  } else if (!skip_digits(token, at)) {
    return false;
  }
  integer = at == token.size();
  if (at < token.size() && token[at] == '.') {
    ++at;
    if (!skip_digits(token, at)) {
      return false;
    }
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) {
      ++at;
    }
    if (!skip_digits(token, at)) {
      return false;
    }
  }
  return at == token.size();
}

/// A number text that from_chars calls out of range: is it too large, or too small and so zero?
bool is_beyond_doubles(std::string_view token) {
  const size_t e = std::min(token.find_first_of("eE"), token.size());
  const std::string_view mantissa = token.substr(0, e);
  const size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) {
    return false;
  }
  constexpr int64_t kFar = int64_t{1} << 40;  // no text is long enough to outweigh it
  int64_t exponent = 0;
  if (e < token.size()) {
    const bool negative = token[e + 1] == '-';
    for (size_t at = e + 1; at < token.size(); ++at) {
      if (is_digit(token[at])) {
        exponent = std::min(exponent * 10 + (token[at] - '0'), kFar);
      }
    }
    exponent = negative ? -exponent : exponent;
  }
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  return exponent + static_cast<int64_t>(point) - static_cast<int64_t>(first) > 0;
}

template <class Number>
bool exactly(std::string_view token, Number& n) {
  return std::from_chars(token.data(), token.data() + token.size(), n).ec == std::errc();
}

Status read_number(std::string_view token, Value& out) {
  bool integer = false;
  if (!is_number_text(token, integer)) {
    return {Code::kInvalidJson, "parse JSON: number"};
  }
  if (integer && token != "-0") {
    int64_t i = 0;
    if (exactly(token, i)) {
      out = i;
      return {};
    }
    uint64_t u = 0;
    if (token[0] != '-' && exactly(token, u)) {
      out = u;
      return {};
    }
  }
  double d = 0;
  if (!exactly(token, d)) {
    if (is_beyond_doubles(token)) {
      return {Code::kNotFinite, "JSON with a number that no double can hold"};
    }
    d = token[0] == '-' ? -0.0 : 0.0;
  }
  if (!std::isfinite(d)) {
    return {Code::kNotFinite, "JSON with a number that no double can hold"};
  }
  out = d;
  return {};
}

Status read_literal(std::string_view token, Value& out) {
  if (token == "true") {
    out = true;
  } else if (token == "false") {
    out = false;
  } else if (token == "null") {
    out = nullptr;
  } else {
    return {Code::kInvalidJson, "parse JSON: literal"};
  }
  return {};
}

/// simdjson's tokens reach to the next one.
std::string_view without_space(std::string_view token) {
  const size_t last = token.find_last_not_of(" \t\r\n");
  return token.substr(0, last + 1);
}

Status take_string(simdjson::simdjson_result<std::string_view> result, const char* raw, std::string& out) {
  std::string_view s;
  if (std::move(result).get(s) != simdjson::SUCCESS) {
    return status_of_string(raw);
  }
  if (!valid_utf8(s)) {  // a lone low surrogate, which simdjson 3.0 lets pass
    return {Code::kInvalidUtf8, "JSON with a lone surrogate"};
  }
  out = s;
  return {};
}

Status read_value(ondemand::value value, int levels, Value& out);

Status read_array(ondemand::value& value, int levels, Value& out) {
  ondemand::array array;
  if (const auto error = value.get_array().get(array)) {
    return status_of(error);
  }
  Array items;
  for (auto element : array) {
    ondemand::value item;
    if (const auto error = std::move(element).get(item)) {
      return status_of(error);
    }
    CAIRN_TRY(read_value(item, levels, items.emplace_back()));
  }
  out.storage = std::move(items);
  return {};
}

Status read_object(ondemand::value& value, int levels, Value& out) {
  ondemand::object object;
  if (const auto error = value.get_object().get(object)) {
    return status_of(error);
  }
  Object properties;
  for (auto member : object) {
    ondemand::field field;
    if (const auto error = std::move(member).get(field)) {
      return status_of(error);
    }
    Property p;
    const char* raw = field.key().raw();
    CAIRN_TRY(take_string(field.unescaped_key(), raw, p.key));
    CAIRN_TRY(read_value(field.value(), levels, p.value));
    if (p.key != kProtoKey) {
      properties.push_back(std::move(p));
    }
  }
  keep_last_values(properties);
  out.storage = std::move(properties);
  return {};
}

Status read_value(ondemand::value value, int levels, Value& out) {
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) {
    return status_of(error);
  }
  switch (type) {
    case ondemand::json_type::array:
    case ondemand::json_type::object:
      if (levels == 0) {
        return {Code::kTooDeep, "nested deeper than 128: make the value flatter"};
      }
      return type == ondemand::json_type::array ? read_array(value, levels - 1, out)
                                                : read_object(value, levels - 1, out);
    case ondemand::json_type::string: {
      const char* raw = value.raw_json_token().data() + 1;
      return take_string(value.get_string(), raw, out.storage.emplace<std::string>());
    }
    case ondemand::json_type::number:
      return read_number(without_space(value.raw_json_token()), out);
    default:
      return read_literal(without_space(value.raw_json_token()), out);
  }
}

struct Workspace {
  ondemand::parser parser;
  std::string text;
};

// simdjson (3.0.1) does not check whether it got the buffer into which it unescapes strings.
struct Document : ondemand::document {
  [[nodiscard]] bool has_string_buffer() { return iter.string_buf_loc() != nullptr; }
};

Result<Value> parse_in(Workspace& workspace, std::string_view text, int depth_max) {
  // On-Demand treats a scalar document unlike a scalar in an array. Inside brackets there is one case, and the check
  // for trailing content is that of the closing bracket.
  std::string& padded = workspace.text;
  padded.clear();
  padded.reserve(text.size() + 2 + simdjson::SIMDJSON_PADDING);
  padded += '[';
  padded += text;
  padded += ']';
  const size_t bytes = padded.size();
  padded.append(simdjson::SIMDJSON_PADDING, ' ');

  Document document;
  if (const auto error = workspace.parser.iterate(simdjson::padded_string_view(padded.data(), bytes, padded.size()))
                             .get(static_cast<ondemand::document&>(document))) {
    return status_of(error);
  }
  if (!document.has_string_buffer()) {
    return status_of(simdjson::MEMALLOC);
  }
  ondemand::array outer;
  if (const auto error = document.get_array().get(outer)) {
    return status_of(error);
  }
  Value out;
  int count = 0;
  for (auto element : outer) {
    ondemand::value value;
    if (const auto error = std::move(element).get(value)) {
      return status_of(error);
    }
    if (++count > 1) {
      break;
    }
    CAIRN_TRY(read_value(value, depth_max, out));
  }
  if (count != 1 || document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    return {Code::kInvalidJson, "malformed JSON: not exactly one value"};
  }
  return out;
}

}  // namespace

Result<Value> parse_json(std::string_view text, size_t bytes_max, int depth_max) {
  if (text.size() > bytes_max) {
    return {Code::kTooLarge, "the JSON text is over the limit"};
  }
  if (text.size() > kKeptTextBytesMax) {
    Workspace own;
    return parse_in(own, text, depth_max);
  }
  return parse_in(thread_object<Workspace>(), text, depth_max);
}

}  // namespace cairn::engine
