// Text that people read: times, sizes, bars; and stored text made harmless, because a tag or a task may hold anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::report {

/// Control characters (C0, DEL, C1), bytes that are not UTF-8 and what reorders the text around it (bidirectional
/// controls) as \xNN: stored text can neither drive a terminal nor look like another text.
std::string printable(std::string_view text);

/// The same for JSON text, which stays JSON of the same value: those characters, which can only stand in its strings,
/// as \uNNNN.
std::string printable_json(std::string_view json);

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

/// "1 run", "2 runs"; `many` where it is not `one` and an s.
std::string counted(uint64_t count, std::string_view one, std::string_view many = {});

int64_t wall_us();

}  // namespace cairn::report
