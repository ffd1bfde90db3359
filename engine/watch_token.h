// Where a watcher stands, as a text that it may keep and come back with.
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
  uint64_t incarnation = 0;  // of the store (Life): in another one, what the watcher was told may be undone
  uint64_t scope = 0;        // watch_scope()
  uint64_t created_lsn = 0;  // of one run: which life of its id; 0: there was none. Of all runs: 0
  uint64_t position = 0;     // of one run: its sequence. Of all runs: the LSN up to which nothing is left to tell
  bool operator==(const WatchToken&) const = default;
};

inline constexpr size_t kWatchTokenBytes = 104;

/// A number for what is watched: 0 for all runs ("").
uint64_t watch_scope(std::string_view run);
std::string to_text(const WatchToken& token);
std::optional<WatchToken> parse_watch_token(std::string_view text);

}  // namespace cairn::engine
