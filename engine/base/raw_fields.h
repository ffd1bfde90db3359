// Reads and writes the fields of stored values as they are in memory, one after the other: log records, notes, and what
// sync keeps. Little endian, as all formats here. A *text* is its length as u32, then the bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cairn::engine {

template <class T>
void put(std::string& out, const T& v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

inline void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<uint32_t>(text.size()));
  out += text;
}

/// False: the rest of the input is too short.
template <class T>
bool take(std::string_view& from, T& v) {
  if (from.size() < sizeof v) {
    return false;
  }
  std::memcpy(&v, from.data(), sizeof v);
  from.remove_prefix(sizeof v);
  return true;
}

inline bool take_text(std::string_view& from, std::string_view& text) {
  uint32_t bytes = 0;
  if (!take(from, bytes) || bytes > from.size()) {
    return false;
  }
  text = from.substr(0, bytes);
  from.remove_prefix(bytes);
  return true;
}

inline bool take_text(std::string_view& from, std::string& text) {
  std::string_view view;
  if (!take_text(from, view)) {
    return false;
  }
  text = view;
  return true;
}

}  // namespace cairn::engine
