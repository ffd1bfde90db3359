// The request target: origin form only, decoded once, then checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/http/refusal.h"

namespace cairn::http {

struct Target {
  std::string path;                   // as it was sent
  std::vector<std::string> segments;  // what stands between its slashes, each decoded once
  std::string query;                  // as it was sent
};

/// Refuses (400) other forms ("*", "host:port", absolute), bytes that must be encoded, wrong escapes, and segments with
/// control characters, or that are "." or ".." after they are decoded. A slash, a backslash, "#" or "%" that was sent
/// encoded is a character of its segment.
Refusal read_target(std::string_view target, Target& out);

}  // namespace cairn::http
