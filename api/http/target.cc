#include "api/http/target.h"

#include <algorithm>

namespace cairn::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

Refusal decode(std::string_view raw, std::string& out) {
  out.clear();
  for (size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      const int high = i + 2 < raw.size() ? hex_digit(raw[i + 1]) : -1;
      const int low = high >= 0 ? hex_digit(raw[i + 2]) : -1;
      if (low < 0) {
        return {400, "a wrong escape in the path"};
      }
      c = static_cast<char>(high * 16 + low);
      if (c == '/') {
        return {400, "an encoded slash in the path"};
      }
      i += 2;
    }
    if (c == '\\') {
      return {400, "a backslash in the path"};
    }
    if (c == '#') {
      return {400, "a number sign in the path"};
    }
    if (is_control(static_cast<unsigned char>(c))) {
      return {400, "a control character in the path"};
    }
    out.push_back(c);
  }
  return {};
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, slash);
    if (segment == "." || segment == "..") {
      return true;
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

}  // namespace

Refusal read_target(std::string_view target, std::string& path, std::string& query) {
  if (!target.starts_with('/')) {
    return {400, "the request target must be a path"};
  }
  if (std::any_of(target.begin(), target.end(), [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f;
      })) {
    return {400, "a character in the request target that must be encoded"};
  }
  const size_t mark = std::min(target.find('?'), target.size());
  if (Refusal refusal = decode(target.substr(0, mark), path)) {
    return refusal;
  }
  if (has_dot_segment(path)) {
    return {400, "a dot segment in the path"};
  }
  query = target.substr(std::min(mark + 1, target.size()));
  if (query.find('#') != std::string::npos) {
    return {400, "a number sign in the query"};
  }
  return {};
}

}  // namespace cairn::http
