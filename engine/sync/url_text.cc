#include "engine/sync/url_text.h"

#include <algorithm>

namespace cairn::engine::sync {

namespace {

constexpr std::string_view kMark = "://";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Skips what may be user and password between "://" and the host. By the standard a password has no slash or question
/// mark, but such passwords are common: then what follows the colon is not a port number.
std::string_view behind_user(std::string_view url) {
  const std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  size_t at = authority.rfind('@');
  if (at == std::string_view::npos) {
    const size_t colon = authority.rfind(':');
    const bool brackets = authority.starts_with('[') && authority.ends_with(']');
    const bool port =
        colon == std::string_view::npos || brackets ||
        std::all_of(authority.begin() + static_cast<std::ptrdiff_t>(colon) + 1, authority.end(), is_digit);
    at = port ? std::string_view::npos : url.rfind('@');
  }
  return at == std::string_view::npos ? url : url.substr(at + 1);
}

}  // namespace

std::string without_url_secrets(std::string_view text) {
  std::string out;
  for (size_t mark = text.find(kMark); mark != std::string_view::npos; mark = text.find(kMark)) {
    out += text.substr(0, mark + kMark.size());
    text.remove_prefix(mark + kMark.size());
    const std::string_view url = text.substr(0, text.find_first_of(" \t\r\n\"'<>`"));
    const std::string_view shown = behind_user(url);
    out += shown.substr(0, shown.find_first_of("?#"));
    text.remove_prefix(url.size());
  }
  return out += text;
}

}  // namespace cairn::engine::sync
