// Parses the Retry-After header.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>

namespace cairn::http_client {

inline constexpr int64_t kRetryAfterMsMax = 24 * 60 * 60 * 1000;

/// The value of Retry-After in milliseconds, at most kRetryAfterMsMax; -1 if it is neither seconds nor a date. A date
/// is taken relative to `now`, and 0 if it is over.
int64_t retry_after_ms(const std::string& value, time_t now);

}  // namespace cairn::http_client
