// Latencies in nanoseconds, kept as counts in buckets whose width is a 32nd of their value.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace cairn::tools {

/// The processor's counter of time; as_ns says what a tick is.
inline uint64_t ticks() {
#if defined(__x86_64__)
  unsigned processor = 0;
  return __rdtscp(&processor);
#else
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

/// Nanoseconds of a tick, measured over 20 ms.
double tick_ns();
/// What a pair of stamps costs, in nanoseconds: part of each latency.
double stamp_ns();

class Latencies {
 public:
  void add(uint64_t v) {
    ++counts_[bucket(v)];
    ++total_;
    max_ = v > max_ ? v : max_;
  }
  void add(const Latencies& o) {
    for (size_t i = 0; i < counts_.size(); ++i) {
      counts_[i] += o.counts_[i];
    }
    total_ += o.total_;
    max_ = o.max_ > max_ ? o.max_ : max_;
  }
  /// The least value that `share` of all do not exceed, within 3 %.
  [[nodiscard]] uint64_t percentile(double share) const {
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(total_));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) {
        return value(i);
      }
    }
    return max_;
  }
  [[nodiscard]] uint64_t max() const { return max_; }
  [[nodiscard]] uint64_t total() const { return total_; }

 private:
  static constexpr int kBits = 5;
  static size_t bucket(uint64_t v) {
    if (v < (1U << kBits)) {
      return v;
    }
    const int shift = std::bit_width(v) - 1 - kBits;
    return (static_cast<size_t>(shift + 1) << kBits) + ((v >> shift) & ((1U << kBits) - 1));
  }
  static uint64_t value(size_t i) {
    const size_t shift = i >> kBits;
    return shift == 0 ? i : ((1U << kBits) + (i & ((1U << kBits) - 1))) << (shift - 1);
  }

  std::array<uint64_t, size_t{60} << kBits> counts_{};
  uint64_t total_ = 0;
  uint64_t max_ = 0;
};

}  // namespace cairn::tools
