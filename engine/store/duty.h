// What a step does besides the flush. Each duty says when it is due, and does a part of it at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "cairn/status.h"
#include "wal/function_ref.h"

namespace cairn::engine {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

/// A step under way. Times are in the host's clock.
struct StepTime {
  int64_t now_ms = 0;  // when it began
  const FunctionRef<bool()>& used_up;
  bool more = false;  // something was left for want of time: the next step is due at once
};

/// All calls with the stepper's mutex held.
class Duty {
 public:
  Duty() = default;
  Duty(const Duty&) = delete;
  Duty& operator=(const Duty&) = delete;
  virtual ~Duty() = default;
  /// When the next step is due for it; kNever.
  [[nodiscard]] virtual int64_t due_ms() const = 0;
  /// Each step calls it. Does nothing if it is not due.
  virtual Status run(StepTime& step) = 0;
};

/// When to try again what failed: after a second, then after twice the time before, at most 30 s.
class Retry {
 public:
  static constexpr int64_t kFirstMs = 1000;
  static constexpr int64_t kMaxMs = 30'000;

  [[nodiscard]] bool has_failed() const { return wait_ms_ != 0; }
  /// 0: the last try did not fail.
  [[nodiscard]] int64_t at_ms() const { return at_ms_; }
  void failed(int64_t now_ms) {
    wait_ms_ = std::clamp(wait_ms_ * 2, kFirstMs, kMaxMs);
    at_ms_ = now_ms + wait_ms_;
  }
  void worked() { wait_ms_ = at_ms_ = 0; }
  void note(bool ok, int64_t now_ms) { ok ? worked() : failed(now_ms); }

 private:
  int64_t wait_ms_ = 0;
  int64_t at_ms_ = 0;
};

}  // namespace cairn::engine
