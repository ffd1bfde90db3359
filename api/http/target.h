// The request target: origin form only, decoded once, then checked.
#pragma once

#include <string>
#include <string_view>

#include "api/http/refusal.h"

namespace cairn::http {

/// Splits `target` into the decoded path and the query as it was sent. Refuses (400) other forms ("*", "host:port",
/// absolute), bytes that must be encoded, wrong escapes, and paths with control characters, a backslash, "#", an
/// encoded slash or backslash, or a segment "." or "..". The decoded path may have "%" again: it must not be decoded
/// twice.
Refusal read_target(std::string_view target, std::string& path, std::string& query);

}  // namespace cairn::http
