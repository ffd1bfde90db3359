// A point in time on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cairn::tools {

inline constexpr const char* kTimeForms =
    "2026-11-24, 2026-11-24T18:30:05Z (UTC), 2026-11-24T18:30:05+02:00, or an age: 90s, 10m, 2h, 3d, 1w";

/// Microseconds since 1970 of a time in UTC, "2026-11-24", "2026-11-24T18:30", "2026-11-24T18:30:05.250Z" (a blank for
/// the T), or with an offset from it, "...+02:00", "...-0330"; or of an age, "90s", "10m", "2h", "3d", "1w" before
/// `now_us`. Nothing for anything else.
std::optional<int64_t> parse_time(std::string text, int64_t now_us);

}  // namespace cairn::tools
