// Whole numbers and durations on the command line: one parser each, so that every option refuses the same texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::tools {

/// What a number may be, both ends included.
struct NumberRange {
  uint64_t least = 0;
  uint64_t most = UINT64_MAX;
};

/// Decimal digits and nothing else: no sign, point, blank, exponent or 0x. Nothing: another text, or out of `range`.
std::optional<uint64_t> parse_whole(std::string_view text, NumberRange range = {});

/// "a whole number from 2 to 16"
std::string range_text(NumberRange range);

inline constexpr int64_t kDurationMsMax = int64_t{100} * 365 * 86'400'000;
inline constexpr const char* kDurationForms = "whole digits and a unit, up to 100 years: 500ms, 60s, 5m, 2h, 3d, 1w";

/// Milliseconds of digits and one of ms, s, m, h, d, w. Nothing: another text, or more than kDurationMsMax.
std::optional<int64_t> parse_duration_ms(std::string_view text);

}  // namespace cairn::tools
