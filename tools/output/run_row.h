// One run in a line: the columns of `cairn ls` and `cairn watch`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/records/run_view.h"

namespace cairn::tools {

inline constexpr size_t kRunColumns = 5;
inline constexpr size_t kStatusColumn = 1;
using RunRow = std::array<std::string, kRunColumns>;

/// ID, STATUS, ...
RunRow run_head();
RunRow run_row(const engine::RunView& run, int64_t now_us);

/// "32" for green: what a terminal shows this run's status in; "" for its usual colour.
const char* status_colour(const engine::RunView& run);

}  // namespace cairn::tools
