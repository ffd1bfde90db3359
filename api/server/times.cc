#include "api/server/times.h"

#include <array>
#include <charconv>
#include <chrono>

#include "cairn/time.h"

namespace cairn::server {

namespace {

constexpr int64_t kSecondUs = 1'000'000;

/// Takes digits off the front. `count`: exactly so many; 0: as many as there are, up to 18.
std::optional<int64_t> take_number(std::string_view& text, size_t count = 0) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    ++digits;
  }
  if (digits == 0 || digits < count || (count == 0 && digits > 18)) {
    return std::nullopt;
  }
  const size_t taken = count == 0 ? digits : count;
  int64_t out = 0;
  std::from_chars(text.data(), text.data() + taken, out);
  text.remove_prefix(taken);
  return out;
}

bool take_char(std::string_view& text, char c) {
  if (!text.starts_with(c)) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

/// "10:00", "10:00:00", "10:00:00.123"
std::optional<int64_t> take_time_of_day(std::string_view& text) {
  const auto hour = take_number(text, 2);
  const bool has_minute = hour && take_char(text, ':');
  const auto minute = has_minute ? take_number(text, 2) : std::nullopt;
  if (!minute || *hour > 23 || *minute > 59) {
    return std::nullopt;
  }
  int64_t out = (*hour * 60 + *minute) * 60 * kSecondUs;
  if (!take_char(text, ':')) {
    return out;
  }
  const auto second = take_number(text, 2);
  if (!second || *second > 59) {
    return std::nullopt;
  }
  out += *second * kSecondUs;
  if (take_char(text, '.')) {
    const size_t before = text.size();
    const std::string_view digits = text;
    if (!take_number(text)) {
      return std::nullopt;
    }
    int64_t unit = kSecondUs / 10;
    for (size_t i = 0; i < before - text.size(); ++i, unit /= 10) {
      out += (digits[i] - '0') * unit;
    }
  }
  return out;
}

/// "Z", "+01:00", "-0130", or nothing.
std::optional<int64_t> take_offset(std::string_view& text) {
  if (text.empty() || take_char(text, 'Z')) {
    return 0;
  }
  const int64_t sign = text.front() == '-' ? -1 : 1;
  if (!take_char(text, '+') && !take_char(text, '-')) {
    return std::nullopt;
  }
  const auto hour = take_number(text, 2);
  (void)take_char(text, ':');
  const auto minute = hour ? take_number(text, 2) : std::nullopt;
  if (!minute || *hour > 23 || *minute > 59) {
    return std::nullopt;
  }
  return sign * (*hour * 60 + *minute) * 60 * kSecondUs;
}

}  // namespace

int64_t wall_us() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count();
}

std::string iso_text(int64_t us) {
  return to_iso8601(
      std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>(std::chrono::microseconds(us)));
}

std::optional<int64_t> parse_iso_us(std::string_view text) {
  const auto year = take_number(text, 4);
  const auto month = year && take_char(text, '-') ? take_number(text, 2) : std::nullopt;
  const auto day = month && take_char(text, '-') ? take_number(text, 2) : std::nullopt;
  if (!day) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) {
    return std::nullopt;
  }
  int64_t out = std::chrono::sys_days(date).time_since_epoch().count() * 86'400 * kSecondUs;
  if (take_char(text, 'T') || take_char(text, ' ')) {
    const auto of_day = take_time_of_day(text);
    const auto offset = of_day ? take_offset(text) : std::nullopt;
    if (!offset) {
      return std::nullopt;
    }
    out += *of_day - *offset;
  }
  constexpr int64_t kLastUs = 253'402'300'799'999'999;  // of the year 9999: an offset may lead beyond
  return text.empty() && out >= 0 && out <= kLastUs ? std::optional(out) : std::nullopt;
}

std::optional<int64_t> parse_duration_us(std::string_view text) {
  struct Unit {
    std::string_view name;
    int64_t seconds;
  };
  constexpr std::array<Unit, 5> kUnits = {{{"w", 604'800}, {"d", 86'400}, {"h", 3600}, {"m", 60}, {"s", 1}}};
  int64_t out = 0;
  bool has_any = false;
  for (const Unit& unit : kUnits) {
    std::string_view rest = text;
    const auto count = take_number(rest);
    if (!count || !rest.starts_with(unit.name)) {
      continue;
    }
    rest.remove_prefix(1);
    if (unit.name == "h" && rest.starts_with('r')) {
      rest.remove_prefix(1);
    }
    const int64_t unit_us = unit.seconds * kSecondUs;
    if (*count > (kDurationMaxUs - out) / unit_us) {
      return std::nullopt;
    }
    out += *count * unit_us;
    has_any = true;
    text = rest;
  }
  return has_any && text.empty() ? std::optional(out) : std::nullopt;
}

std::optional<int64_t> parse_delay_us(std::string_view text, int64_t now_us) {
  if (const auto duration = parse_duration_us(text)) {
    return now_us + *duration;
  }
  return parse_iso_us(text);
}

}  // namespace cairn::server
