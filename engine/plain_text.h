// Texts that need no look at each character: 16 bytes at a time, with whatever vectors the processor has.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace cairn::engine {

/// ASCII without control characters, quotes and backslashes: valid UTF-8, and its JSON is the text between quotes.
/// Texts under 16 bytes take 8 at a time.
inline bool is_plain_text(std::string_view s) {
  using Block [[gnu::vector_size(16)]] = signed char;
  const char* at = s.data();
  size_t left = s.size();
  if (left >= 16) {
    Block plain = ~Block{};
    Block quotes = {};
    const auto look = [&](const char* from) {
      Block block;
      std::memcpy(&block, from, sizeof block);
      plain &= block > 0x1f;  // signed, so what is above 0x7f is not
      quotes |= (block == '"') | (block == '\\');
    };
    for (; left > 16; at += 16, left -= 16) {
      look(at);
    }
    look(at + left - 16);
    const Block found = ~plain | quotes;
    uint64_t words[2];
    std::memcpy(words, &found, sizeof words);
    return (words[0] | words[1]) == 0;
  }
  uint64_t words[2] = {0x2020202020202020, 0x2020202020202020};
  std::memcpy(words, at, left);
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  const auto any_below = [](uint64_t word, uint64_t limit) { return (word - kOnes * limit) & ~word; };
  uint64_t found = 0;
  for (const uint64_t word : words) {
    found |= word | any_below(word, 0x20) | any_below(word ^ (kOnes * '"'), 1) | any_below(word ^ (kOnes * '\\'), 1);
  }
  return (found & kHighs) == 0;
}

}  // namespace cairn::engine
