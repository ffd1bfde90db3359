// The store that a run came from, as far as the store that got it knows it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::engine {

/// An owner that said how often it asks, and was not heard of for so long, counts as silent. If it asks seldom it is so
/// many of its intervals.
inline constexpr int64_t kSilentAfterMs = 60'000;
inline constexpr int64_t kSilentAfterIntervals = 4;

/// Its texts are that store's, and may hold anything that is UTF-8.
struct HomeStore {
  std::array<uint8_t, 16> id{};
  std::string host;       // name of its machine; "": not known
  std::string directory;  // as its process opened it; "": not known
  uint64_t process = 0;   // the process's id there; 0: not known
  int64_t heard_us = 0;   // wall clock of its last message; 0: not known
  int64_t taken_us = 0;   // wall clock of its last batch that was taken; 0: not known
  // It asks on while it has unfinished runs, somebody was here to hear it, and it has not been heard of for too long. If
  // it has unfinished runs its process is gone, or cannot reach this store.
  bool silent = false;
};

/// 32 hexadecimal digits.
std::string store_id_text(const std::array<uint8_t, 16>& id);

/// The id as text begins with `digits`, which are at least kIdDigitsMin; A-F equal a-f.
bool id_begins(const std::array<uint8_t, 16>& id, std::string_view digits);
inline constexpr size_t kIdDigitsMin = 4;

}  // namespace cairn::engine
