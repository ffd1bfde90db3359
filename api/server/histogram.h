// How many of what was measured were at most so large.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cairn::server {

/// In seconds.
inline constexpr std::array kDelayBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};
inline constexpr std::array kDurationBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                               0.25,   0.5,   1.0,    2.5,   5.0,  10.0,  30.0};

/// Threads: any.
class Histogram {
 public:
  static constexpr size_t kBoundsMax = 16;
  /// `bounds` rise, are at most kBoundsMax, and live longer.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds) {}

  void add(double value) noexcept {
    size_t at = 0;
    while (at < bounds_.size() && value > bounds_[at]) {
      ++at;
    }
    counts_.at(at).fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(static_cast<uint64_t>(value * 1e6), std::memory_order_relaxed);
  }
  [[nodiscard]] std::span<const double> bounds() const { return bounds_; }
  /// Of those above the bound before `at` and at most the one at it; at bounds().size(): above all.
  [[nodiscard]] uint64_t count(size_t at) const { return counts_.at(at).load(std::memory_order_relaxed); }
  [[nodiscard]] double sum() const { return static_cast<double>(sum_us_.load(std::memory_order_relaxed)) / 1e6; }

 private:
  const std::span<const double> bounds_;
  std::array<std::atomic<uint64_t>, kBoundsMax + 1> counts_{};
  std::atomic<uint64_t> sum_us_{0};
};

}  // namespace cairn::server
