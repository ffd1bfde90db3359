// A number, a duration and a point in time as people write them, on the command line and in a query.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::report {

/// What a number may be, both ends included.
struct NumberRange {
  uint64_t least = 0;
  uint64_t most = UINT64_MAX;
};

/// Decimal digits and nothing else: no sign, point, blank, exponent or 0x. Nothing: another text, or out of `range`.
std::optional<uint64_t> parse_whole(std::string_view text, NumberRange range = {});

inline constexpr int64_t kDurationMsMax = int64_t{100} * 365 * 86'400'000;
inline constexpr const char* kDurationForms = "whole digits and a unit, up to 100 years: 500ms, 60s, 5m, 2h, 3d, 1w";

/// Milliseconds of digits and one of ms, s, m, h, d, w. Nothing: another text, or more than kDurationMsMax.
std::optional<int64_t> parse_duration_ms(std::string_view text);

inline constexpr const char* kTimeForms =
    "2026-11-24, 2026-11-24T18:30:05Z (UTC), 2026-11-24T18:30:05+02:00, or an age: 90s, 10m, 2h, 3d, 1w";

/// Microseconds since 1970 of a time in UTC, "2026-11-24", "2026-11-24T18:30", "2026-11-24T18:30:05.250Z" (a blank for
/// the T), or with an offset from it, "...+02:00", "...-0330"; or of an age, "90s", "10m", "2h", "3d", "1w" before
/// `now_us`. Nothing for anything else.
std::optional<int64_t> parse_time(std::string text, int64_t now_us);

}  // namespace cairn::report
