#include "api/report/read_time.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "cairn/time.h"

namespace cairn::report {

std::optional<uint64_t> parse_whole(std::string_view text, NumberRange range) {
  uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || number > (UINT64_MAX - static_cast<uint64_t>(c - '0')) / 10) {
      return std::nullopt;
    }
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return text.empty() || number < range.least || number > range.most ? std::nullopt : std::optional(number);
}

std::optional<int64_t> parse_duration_ms(std::string_view text) {
  static constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}, {"w", 7 * int64_t{86'400'000}}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  for (const auto& [name, ms] : kUnits) {
    if (text.substr(digits) == name) {
      const auto count = parse_whole(text.substr(0, digits), {0, static_cast<uint64_t>(kDurationMsMax / ms)});
      return count ? std::optional(static_cast<int64_t>(*count) * ms) : std::nullopt;
    }
  }
  return std::nullopt;
}

namespace {

/// Minutes east of UTC of "+02:00" or "-0330" at the end of `text`, which is then cut off; 0 for Z or nothing.
std::optional<int64_t> take_zone(std::string& text) {
  if (!text.empty() && text.back() == 'Z') {
    text.pop_back();
    return 0;
  }
  const size_t sign = text.find_first_of("+-", std::string_view("dddd-dd-ddT").size());
  if (sign == std::string::npos) {
    return 0;
  }
  std::string zone = text.substr(sign + 1);
  if (zone.size() == 5 && zone[2] == ':') {
    zone.erase(2, 1);
  }
  const std::string_view digits = zone;
  const auto hours = parse_whole(digits.substr(0, 2), {0, 14});
  const auto minutes = parse_whole(digits.substr(std::min<size_t>(2, digits.size())), {0, 59});
  if (zone.size() != 4 || !hours || !minutes) {
    return std::nullopt;
  }
  const auto east = static_cast<int64_t>(*hours * 60 + *minutes);
  const bool minus = text[sign] == '-';
  text.resize(sign);
  return minus ? -east : east;
}

}  // namespace

std::optional<int64_t> parse_time(std::string text, int64_t now_us) {
  if (const auto age_ms = parse_duration_ms(text)) {
    return now_us - *age_ms * 1000;
  }
  const auto east = take_zone(text);
  if (!east) {
    return std::nullopt;
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
  return at ? std::optional<int64_t>(at->time_since_epoch().count() - *east * 60'000'000) : std::nullopt;
}

}  // namespace cairn::report
