#include "api/http_client/retry_after.h"

#include <curl/curl.h>

#include <algorithm>

namespace cairn::http_client {

namespace {

constexpr int64_t kSecondsMax = kRetryAfterMsMax / 1000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

}  // namespace

int64_t retry_after_ms(const std::string& value, time_t now) {
  if (value.empty()) {
    return -1;
  }
  if (std::all_of(value.begin(), value.end(), is_digit)) {
    int64_t seconds = 0;
    for (const char c : value) {
      seconds = std::min(kSecondsMax, seconds * 10 + (c - '0'));
    }
    return seconds * 1000;
  }
  // Every form of HTTP's dates begins with a weekday; curl_getdate would take "-5" or "12:00" too.
  const time_t at = is_letter(value.front()) ? curl_getdate(value.c_str(), nullptr) : -1;
  if (at < 0) {
    return -1;
  }
  return std::clamp<int64_t>(at - now, 0, kSecondsMax) * 1000;
}

}  // namespace cairn::http_client
