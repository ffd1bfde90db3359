#include "tools/input/time_argument.h"

#include <chrono>
#include <string_view>

#include "cairn/time.h"
#include "tools/input/number_argument.h"

namespace cairn::tools {

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

}  // namespace cairn::tools
