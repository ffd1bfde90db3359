#include "tools/input/number_argument.h"

#include <algorithm>
#include <utility>

namespace cairn::tools {

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

std::string range_text(NumberRange range) {
  return "a whole number from " + std::to_string(range.least) + " to " + std::to_string(range.most);
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

}  // namespace cairn::tools
