// Checks and compares texts without looking at each character: 16 bytes at a time, with the processor's vectors.
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
  if (left == 0) {
    return true;
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

/// Texts of equal length. Keys are short: overlapping words cost less than the call of memcmp.
inline bool same_bytes(const char* a, const char* b, size_t bytes) {
  const auto differ = [a, b](size_t at, auto word) {
    auto other = word;
    std::memcpy(&word, a + at, sizeof word);
    std::memcpy(&other, b + at, sizeof other);
    return word != other;
  };
  if (bytes >= 8) {
    for (size_t at = 0; at + 8 < bytes; at += 8) {
      if (differ(at, uint64_t{})) {
        return false;
      }
    }
    return !differ(bytes - 8, uint64_t{});
  }
  if (bytes >= 4) {
    return !differ(0, uint32_t{}) && !differ(bytes - 4, uint32_t{});
  }
  return bytes == 0 || (a[0] == b[0] && a[bytes / 2] == b[bytes / 2] && a[bytes - 1] == b[bytes - 1]);
}

inline bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && same_bytes(a.data(), b.data(), a.size());
}

}  // namespace cairn::engine
