// Which texts name a run, or a batch of runs.
#pragma once

#include <cstddef>
#include <string_view>

namespace cairn::engine {

inline constexpr size_t kRunIdBytesMax = 64;

/// [A-Za-z0-9_-][A-Za-z0-9_.:-]{0,63}: allows names of pods and times, but not ".", ".." and hidden files.
bool valid_run_id(std::string_view id);
inline constexpr const char* kRunIdRule = "a run id is 1 to 64 of A-Z a-z 0-9 _ - . : and does not begin with . or :";

}  // namespace cairn::engine
