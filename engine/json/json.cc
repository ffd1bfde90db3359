#include "engine/json/json.h"

#include <array>
#include <charconv>
#include <cstring>

#include "simdjson.h"

namespace cairn::engine {
namespace {

// How many bytes more than one a character takes when it is escaped.
constexpr std::array<uint8_t, 256> kExtraBytes = [] {
  std::array<uint8_t, 256> extra{};
  for (size_t c = 0; c < 0x20; ++c) {
    extra[c] = 5;  // \u00XX
  }
  for (const char c : {'\b', '\f', '\n', '\r', '\t', '"', '\\'}) {
    extra[static_cast<unsigned char>(c)] = 1;
  }
  return extra;
}();

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x8080808080808080;

uint64_t load8(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

bool any_zero_byte(uint64_t word) { return ((word - kOnes) & ~word & kHighs) != 0; }

/// Eight characters at once: does one of them need an escape?
bool any_escape(uint64_t word) {
  const bool control = ((word - kOnes * 0x20) & ~word & kHighs) != 0;
  return control || any_zero_byte(word ^ (kOnes * '"')) || any_zero_byte(word ^ (kOnes * '\\'));
}

/// Position of the first character from `at` on that needs an escape, or the size.
size_t plain_until(std::string_view s, size_t at) {
  while (s.size() - at >= 8 && !any_escape(load8(s.data() + at))) {
    at += 8;
  }
  while (at < s.size() && kExtraBytes[static_cast<unsigned char>(s[at])] == 0) {
    ++at;
  }
  return at;
}

void append_escape(std::string& out, char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '"':
    case '\\':
      out += '\\';
      out += c;
      return;
    default:
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
  }
}

template <class Integer>
void append_integer(std::string& out, Integer i) {
  char text[24];
  const char* end = std::to_chars(text, text + sizeof text, i).ptr;
  out.append(text, static_cast<size_t>(end - text));
}

}  // namespace

void append_json_string(std::string& out, std::string_view s) {
  out += '"';
  for (size_t at = 0; at < s.size();) {
    const size_t end = plain_until(s, at);
    out.append(s, at, end - at);
    if (end < s.size()) {
      append_escape(out, s[end]);
    }
    at = end + 1;
  }
  out += '"';
}

size_t json_string_bytes(std::string_view s) {
  size_t bytes = s.size() + 2;
  for (size_t at = plain_until(s, 0); at < s.size(); at = plain_until(s, at + 1)) {
    bytes += kExtraBytes[static_cast<unsigned char>(s[at])];
  }
  return bytes;
}

void append_json(std::string& out, const Value& v) {
  switch (v.type()) {
    case Type::kNull:
      out += "null";
      return;
    case Type::kBool:
      out += *v.get<bool>() ? "true" : "false";
      return;
    case Type::kInt64:
      append_integer(out, *v.get<int64_t>());
      return;
    case Type::kUint64:
      append_integer(out, *v.get<uint64_t>());
      return;
    case Type::kDouble: {
      char text[kDoubleTextMax];
      out.append(text, format_double(*v.get<double>(), text));
      return;
    }
    case Type::kString:
      append_json_string(out, *v.get<std::string>());
      return;
    case Type::kArray: {
      char before = '[';
      for (const Value& item : *v.get<Array>()) {
        out += before;
        before = ',';
        append_json(out, item);
      }
      out += before == '[' ? "[]" : "]";
      return;
    }
    case Type::kObject: {
      char before = '{';
      for (const Property& p : *v.get<Object>()) {
        out += before;
        before = ',';
        append_json_string(out, p.key);
        out += ':';
        append_json(out, p.value);
      }
      out += before == '{' ? "{}" : "}";
      return;
    }
  }
}

std::string to_json(const Value& v) {
  std::string out;
  append_json(out, v);
  return out;
}

size_t json_bytes(const Value& v) {
  switch (v.type()) {
    case Type::kNull:
      return 4;
    case Type::kBool:
      return *v.get<bool>() ? 4 : 5;
    case Type::kInt64:
      return integer_text_bytes(*v.get<int64_t>());
    case Type::kUint64:
      return integer_text_bytes(*v.get<uint64_t>());
    case Type::kDouble:
      return double_text_bytes(*v.get<double>());
    case Type::kString:
      return json_string_bytes(*v.get<std::string>());
    case Type::kArray: {
      const Array& array = *v.get<Array>();
      size_t bytes = array.empty() ? 2 : 1 + array.size();  // brackets, commas
      for (const Value& item : array) {
        bytes += json_bytes(item);
      }
      return bytes;
    }
    case Type::kObject: {
      const Object& object = *v.get<Object>();
      size_t bytes = object.empty() ? 2 : 1 + 2 * object.size();  // braces, commas, colons
      for (const Property& p : object) {
        bytes += json_string_bytes(p.key) + json_bytes(p.value);
      }
      return bytes;
    }
  }
  return 0;
}

bool valid_utf8(std::string_view s) {
  size_t at = 0;
  while (s.size() - at >= 8 && (load8(s.data() + at) & kHighs) == 0) {
    at += 8;
  }
  while (at < s.size() && static_cast<unsigned char>(s[at]) < 0x80) {
    ++at;
  }
  return at == s.size() || simdjson::validate_utf8(s.data() + at, s.size() - at);
}

std::string_view shortened(std::string_view text, size_t bytes_max) {
  size_t bytes = std::min(text.size(), bytes_max);
  while (bytes > 0 && bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) {
    --bytes;
  }
  return text.substr(0, bytes);
}

}  // namespace cairn::engine
