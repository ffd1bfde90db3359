// Points in time and durations as requests and answers write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::server {

/// Wall clock, microseconds since 1970, to the microsecond: CLOCK_REALTIME.
int64_t wall_us();

/// "2026-11-23T10:00:00.000Z". `us`: since 1970, UTC.
std::string iso_text(int64_t us);

/// An ISO 8601 date, with or without a time of day, fractions of seconds and an offset (without one: UTC), of the years
/// 1970 to 9999.
std::optional<int64_t> parse_iso_us(std::string_view text);

/// Whole numbers with w, d, h (or hr), m, s, the longest unit first and each at most once: "7d", "1h30m". At most a
/// hundred years.
std::optional<int64_t> parse_duration_us(std::string_view text);
inline constexpr int64_t kDurationMaxUs = int64_t{100} * 365 * 86'400 * 1'000'000;

/// From now, or a date.
std::optional<int64_t> parse_delay_us(std::string_view text, int64_t now_us);

}  // namespace cairn::server
