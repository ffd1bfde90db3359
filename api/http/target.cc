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

/// Takes one segment off `path`, which ends with it or has a slash behind it, and decodes it.
Refusal take_segment(std::string_view& path, std::string& out) {
  const std::string_view raw = path.substr(0, path.find('/'));
  path.remove_prefix(std::min(raw.size() + 1, path.size()));
  for (size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      const int high = i + 2 < raw.size() ? hex_digit(raw[i + 1]) : -1;
      const int low = high >= 0 ? hex_digit(raw[i + 2]) : -1;
      if (low < 0) {
        return {400, "a wrong escape in the path"};
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '\\' || c == '#') {
      return {400, "a character in the path that must be encoded"};
    }
    if (is_control(static_cast<unsigned char>(c))) {
      return {400, "a control character in the path"};
    }
    out.push_back(c);
  }
  if (out == "." || out == "..") {
    return {400, "a dot segment in the path"};
  }
  return {};
}

}  // namespace

Refusal read_target(std::string_view target, Target& out) {
  out = Target();
  if (!target.starts_with('/')) {
    return {400, "the request target must be a path"};
  }
  if (std::any_of(target.begin(), target.end(), [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f;
      })) {
    return {400, "a character in the request target that must be encoded"};
  }
  const size_t mark = std::min(target.find('?'), target.size());
  out.path = target.substr(0, mark);
  std::string_view left = target.substr(1, mark - 1);
  bool more = true;
  while (more) {
    more = left.find('/') != std::string_view::npos;
    if (Refusal refusal = take_segment(left, out.segments.emplace_back())) {
      return refusal;
    }
  }
  out.query = target.substr(std::min(mark + 1, target.size()));
  if (out.query.find('#') != std::string::npos) {
    return {400, "a number sign in the query"};
  }
  return {};
}

}  // namespace cairn::http
