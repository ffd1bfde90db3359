// The position of a watcher as a text, with which it can continue later.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::engine {

/// As text: "w1" and six numbers of 16 hexadecimal digits, "-" before each; the first two are the store's id.
struct WatchToken {
  std::array<uint8_t, 16> store_id{};
  uint64_t incarnation = 0;  // of the store (Life): in another one, events that were reported may be undone
  uint64_t scope = 0;        // watch_scope()
  uint64_t created_lsn = 0;  // for one run: which run of this id; 0: there was none. For all runs: 0
  uint64_t position = 0;     // for one run: its sequence. For all runs: the LSN up to which everything was reported
  bool operator==(const WatchToken&) const = default;
};

inline constexpr size_t kWatchTokenBytes = 104;

/// A number for what is watched: 0 for all runs ("").
uint64_t watch_scope(std::string_view run);
std::string to_text(const WatchToken& token);
std::optional<WatchToken> parse_watch_token(std::string_view text);

}  // namespace cairn::engine
