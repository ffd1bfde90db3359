// Text for terminals: times, sizes, bars; and stored text made harmless, because a tag or a task may hold anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::tools {

/// Control characters (C0, DEL, C1) and bytes that are no UTF-8 as \xNN, so that stored text cannot drive a terminal.
std::string printable(std::string_view text);

/// The same text if it is UTF-8, else printable().
std::string valid_text(std::string_view text);

/// "2026-11-23T10:00:00.000Z"
std::string iso_time(int64_t unix_us);

/// "3 s ago"
std::string age_text(int64_t unix_us, int64_t now_us);

/// "12.3 MiB"
std::string size_text(uint64_t bytes);

/// "[#####.....] 50 %"; `share` in [0, 1].
std::string bar_text(double share, int cells);

/// `text` and blanks up to `columns`. Counts code points.
std::string padded(std::string_view text, size_t columns);
size_t columns_of(std::string_view text);

int64_t wall_us();

}  // namespace cairn::tools
