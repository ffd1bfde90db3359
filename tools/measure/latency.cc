#include "tools/measure/latency.h"

#include <algorithm>

namespace cairn::tools {

double tick_ns() {
  using Clock = std::chrono::steady_clock;
  static const double ns = [] {
    const auto from = Clock::now();
    const uint64_t first = ticks();
    while (Clock::now() - from < std::chrono::milliseconds(20)) {
    }
    const uint64_t last = ticks();
    const std::chrono::duration<double, std::nano> passed = Clock::now() - from;
    return passed.count() / static_cast<double>(last - first);
  }();
  return ns;
}

double stamp_ns() {
  static const double ns = [] {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 1000; ++i) {
      const uint64_t from = ticks();
      least = std::min(least, ticks() - from);
    }
    return static_cast<double>(least) * tick_ns();
  }();
  return ns;
}

}  // namespace cairn::tools
