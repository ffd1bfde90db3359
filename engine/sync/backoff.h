// How long to wait before the next try: decorrelated jitter (M. Brooker, "Exponential Backoff And Jitter", AWS
// Architecture Blog, 2015), so that many clients that failed together do not come back together.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cairn::engine::sync {

class Backoff {
 public:
  static constexpr int64_t kBaseMs = 200;
  static constexpr int64_t kCapMs = 60'000;

  /// `random`: any 64 bits. `retry_after_ms`: the pause that the other side asked for, at least. It asked many clients
  /// for the same pause, so a random part is added.
  int64_t next_ms(uint64_t random, int64_t retry_after_ms) {
    const int64_t own = next_ms(random);
    if (retry_after_ms <= 0) {
      return own;
    }
    const auto spread = static_cast<uint64_t>(std::min(retry_after_ms / 2, kCapMs) + 1);
    return std::max(own, retry_after_ms + static_cast<int64_t>((random >> 32) % spread));
  }
  int64_t next_ms(uint64_t random) {
    const int64_t above = std::max<int64_t>(kBaseMs + 1, 3 * last_ms_);
    const int64_t drawn = kBaseMs + static_cast<int64_t>(random % static_cast<uint64_t>(above - kBaseMs));
    last_ms_ = std::min(kCapMs, drawn);
    return last_ms_;
  }
  void reset() { last_ms_ = kBaseMs; }

 private:
  int64_t last_ms_ = kBaseMs;
};

}  // namespace cairn::engine::sync
