// Time points as ISO 8601 text in UTC with milliseconds, "2026-11-23T10:00:00.000Z", and back.
#ifndef CAIRN_TIME_H
#define CAIRN_TIME_H

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <ratio>
#include <string>
#include <string_view>

namespace cairn {

using TimePoint = std::chrono::system_clock::time_point;

namespace detail {

inline TimePoint from_us(int64_t us) {
  return TimePoint(std::chrono::duration_cast<TimePoint::duration>(std::chrono::microseconds(us)));
}

inline int64_t to_us(TimePoint at) {
  return std::chrono::floor<std::chrono::microseconds>(at).time_since_epoch().count();
}

/// Converts days since 1970-01-01 to a date of the proleptic Gregorian calendar, and back (Hinnant's algorithms: exact
/// for all years).
struct Date {
  int64_t year;
  unsigned month;
  unsigned day;
};
inline Date date_of(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto in_era = static_cast<unsigned>(days - era * 146097);
  const unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  const unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
  const unsigned shifted = (5 * in_year + 2) / 153;
  const unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {static_cast<int64_t>(year) + era * 400 + (month <= 2 ? 1 : 0), month, in_year - (153 * shifted + 2) / 5 + 1};
}
inline int64_t days_of(const Date& d) {
  const int64_t year = d.year - (d.month <= 2 ? 1 : 0);
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto in_era_years = static_cast<unsigned>(year - era * 400);
  const unsigned in_year = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
  const unsigned in_era = in_era_years * 365 + in_era_years / 4 - in_era_years / 100 + in_year;
  return era * 146097 + static_cast<int64_t>(in_era) - 719468;
}

}  // namespace detail

/// "2026-11-23T10:00:00.000Z"; rounds down to the millisecond. Years beyond 0 to 9999 have six digits and a sign, as
/// JavaScript's.
template <class Duration>
std::string to_iso8601(std::chrono::time_point<std::chrono::system_clock, Duration> at) {
  const int64_t ms = std::chrono::floor<std::chrono::milliseconds>(at).time_since_epoch().count();
  constexpr int64_t kDay = 86'400'000;
  const int64_t days = ms >= 0 ? ms / kDay : -((-ms + kDay - 1) / kDay);
  const auto in_day = static_cast<int>(ms - days * kDay);
  const detail::Date d = detail::date_of(days);
  char text[48];
  const char* const format = d.year >= 0 && d.year <= 9999 ? "%04lld-%02u-%02uT%02d:%02d:%02d.%03dZ"
                                                           : "%+07lld-%02u-%02uT%02d:%02d:%02d.%03dZ";
  std::snprintf(text, sizeof text, format, static_cast<long long>(d.year), d.month, d.day, in_day / 3'600'000,
                in_day / 60'000 % 60, in_day / 1000 % 60, in_day % 1000);
  return text;
}

/// nullopt unless the text has the form that to_iso8601 writes for the years 0 to 9999, and Duration can hold the time.
template <class Duration = TimePoint::duration>
std::optional<std::chrono::time_point<std::chrono::system_clock, Duration>> from_iso8601(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd.dddZ";
  if (text.size() != kForm.size()) {
    return std::nullopt;
  }
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == 'd' ? !digit : text[i] != kForm[i]) {
      return std::nullopt;
    }
  }
  const auto number = [text](size_t at, size_t count) {
    int n = 0;
    for (size_t i = at; i < at + count; ++i) {
      n = n * 10 + (text[i] - '0');
    }
    return n;
  };
  const detail::Date d = {number(0, 4), static_cast<unsigned>(number(5, 2)), static_cast<unsigned>(number(8, 2))};
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  const bool real = d.month >= 1 && d.month <= 12 && d.day >= 1 && hour < 24 && minute < 60 && second < 60;
  const int64_t days = real ? detail::days_of(d) : 0;
  if (!real || detail::date_of(days).day != d.day) {
    return std::nullopt;  // no such date, e.g. February 30
  }
  const int64_t ms = ((days * 24 + hour) * 60 + minute) * 60'000 + second * 1000 + number(20, 3);
  using Milliseconds = std::chrono::milliseconds;
  using Point = std::chrono::time_point<std::chrono::system_clock, Duration>;
  if constexpr (std::ratio_less_v<typename Duration::period, std::milli>) {
    if (ms < std::chrono::duration_cast<Milliseconds>(Duration::min()).count() ||
        ms > std::chrono::duration_cast<Milliseconds>(Duration::max()).count()) {
      return std::nullopt;
    }
  }
  return Point(std::chrono::floor<Duration>(Milliseconds(ms)));
}

}  // namespace cairn

#endif  // CAIRN_TIME_H
