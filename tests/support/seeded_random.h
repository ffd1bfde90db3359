// Random numbers that a seed repeats on every machine (SplitMix64; the standard library's distributions differ between
// implementations).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace cairn::testing {

class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// 0 .. count - 1; count is not 0.
  uint64_t below(uint64_t count) { return next() % count; }
  bool one_in(uint64_t count) { return below(count) == 0; }
  bool coin() { return (next() >> 63) != 0; }

  void fill(void* out, size_t bytes) {
    auto* at = static_cast<char*>(out);
    while (bytes > 0) {
      const uint64_t word = next();
      const size_t part = bytes < sizeof word ? bytes : sizeof word;
      std::memcpy(at, &word, part);
      at += part;
      bytes -= part;
    }
  }
  std::string text(size_t bytes) {
    std::string s(bytes, 'a');
    for (char& c : s) {
      c = static_cast<char>('a' + below(26));
    }
    return s;
  }

 private:
  uint64_t state_;
};

/// A seed for a part of something seeded, so that parts do not share their numbers.
inline uint64_t derive_seed(uint64_t seed, uint64_t part) {
  return SeededRandom(seed * 0x9e3779b97f4a7c15u + part + 1).next();
}

}  // namespace cairn::testing
