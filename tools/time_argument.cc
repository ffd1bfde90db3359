#include "tools/time_argument.h"

#include <chrono>
#include <string_view>

#include "cairn/time.h"

namespace cairn::tools {

namespace {

constexpr size_t kAgeDigitsMax = 9;

std::optional<int64_t> seconds_of(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86'400;
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> parse_age(std::string_view text) {
  const auto seconds = text.empty() ? std::nullopt : seconds_of(text.back());
  const std::string_view digits = text.substr(0, text.empty() ? 0 : text.size() - 1);
  if (!seconds || digits.empty() || digits.size() > kAgeDigitsMax ||
      digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  return std::stoll(std::string(digits)) * *seconds * 1'000'000;
}

}  // namespace

std::optional<int64_t> parse_time(std::string text, int64_t now_us) {
  if (const auto age_us = parse_age(text)) {
    return now_us - *age_us;
  }
  if (!text.empty() && text.back() == 'Z') {
    text.pop_back();
  }
  static constexpr std::string_view kWhole = "dddd-dd-ddT00:00:00.000";
  for (const size_t part : {size_t{10}, size_t{16}, size_t{19}}) {
    if (text.size() == part) {
      text += kWhole.substr(part);
    }
  }
  if (text.size() > 10 && text[10] == ' ') {
    text[10] = 'T';
  }
  const auto at = cairn::from_iso8601<std::chrono::microseconds>(text + "Z");
  return at ? std::optional<int64_t>(at->time_since_epoch().count()) : std::nullopt;
}

}  // namespace cairn::tools
