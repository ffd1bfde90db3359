// The gate that every call of a store passes: is it open, and is this still the process that opened it?
//
// States: open; no space (a flush found none, or room is kept for erases); latched (the log failed); closed; and
// staging failed, which closes the gate for the hot path alone. Latched ends with the close, closed never.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "cairn/status.h"
#include "engine/base/fork_guard.h"
#include "engine/staging/sigbus_guard.h"

namespace cairn::engine {

/// kForked and kClosed, with their texts.
[[gnu::cold]] Status fail_forked();
[[gnu::cold]] Status fail_closed();

class Gate {
 public:
  explicit Gate(ForkWord fork_word) : fork_word_(fork_word) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// For the hot path: 0 is open. It reads nothing else.
  [[nodiscard]] int32_t word() const { return state_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool forked() const { return engine::forked(fork_word_); }

  /// The answer to a call that does not go through staging: kOk, kNoSpace, kLatched, kClosed.
  [[nodiscard]] Code code() const {
    const int32_t state = state_.load();
    return state == kStagingFailed ? Code::kOk : static_cast<Code>(state);
  }
  [[nodiscard]] bool is_closed() const { return code() == Code::kClosed; }
  /// Closed or latched: nothing is flushed any more.
  [[nodiscard]] bool has_ended() const {
    const Code now = code();
    return now == Code::kClosed || now == Code::kLatched;
  }
  [[nodiscard]] bool staging_failed() const { return word() == kStagingFailed; }

  /// kForked.
  [[nodiscard]] Status check_process() const { return forked() ? fail_forked() : Status(); }
  /// Before an update. `gives_back`: it gives space back in the end, so a full disk does not refuse it.
  [[nodiscard]] Status check(bool gives_back = false) const {
    const Code now = code();
    return now == Code::kOk || (gives_back && now == Code::kNoSpace) ? Status() : refuse(now);
  }
  /// Before a flush: kClosed, kLatched.
  [[nodiscard]] Status check_flush() const;
  /// What this state of the gate says to an update.
  [[nodiscard, gnu::cold]] Status refuse(Code code) const;

  /// Returns the state before.
  Code close();
  /// A closed store stays closed.
  void latch();
  /// A flush found no space: no updates until reopen().
  void no_space();
  /// A flush found space again. Nothing happens while room is kept.
  void reopen();
  /// What room is left is kept for erases and ends of runs: no updates until end_keeping_room().
  void keep_room();
  void end_keeping_room();
  [[nodiscard]] bool keeps_room() const { return keeps_room_.load(); }

  /// A guard of staging files that turns an open gate to "staging failed".
  Result<std::unique_ptr<SigbusGuard>> guard_staging();
  /// True: the gate was in that state, and is open now.
  bool leave_staging();

 private:
  static constexpr int32_t kStagingFailed = -1;
  bool change(int32_t from, int32_t to) { return state_.compare_exchange_strong(from, to); }

  alignas(64) std::atomic<int32_t> state_{0};  // a Code, or kStagingFailed; read by every update
  const ForkWord fork_word_;                   // in the same cache line
  std::atomic<bool> keeps_room_{false};        // the disk was full, and the reserve is not whole again
};

}  // namespace cairn::engine
