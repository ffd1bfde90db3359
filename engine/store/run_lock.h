// The lock of one run: one 32-bit word, taken and given back without a system call while nobody waits (a futex mutex
// after Drepper, "Futexes Are Tricky", mutex 2). std::mutex costs a call into libpthread each way, which the hot path
// feels.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "wal/mutex.h"

namespace cairn::engine {

class CAIRN_CAPABILITY("run lock") RunLock {
 public:
  explicit RunLock(uint64_t run_number) : note_(LockRank::kRun, run_number) {}

  void lock() CAIRN_ACQUIRE() {
    note_.check_order();
    uint32_t free = 0;
    if (!word_.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed)) {
      lock_slow(free);
    }
    note_.locked();
  }
  /// Of a run that has no other reference, so it is free. Allowed under any lock, because it never waits.
  void lock_unshared() CAIRN_ACQUIRE() {
    uint32_t free = 0;
    if (!word_.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed)) {
      note_.not_free();
      lock_slow(free);
    }
    note_.locked();
  }
  /// May be out of order, because it does not wait.
  [[nodiscard]] bool try_lock() CAIRN_TRY_ACQUIRE(true) {
    uint32_t free = 0;
    const bool locked = word_.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed);
    if (locked) {
      note_.locked();
    }
    return locked;
  }
  /// For code that is only called with it held where the compiler cannot see that.
  void assert_held() const CAIRN_ASSERT_CAPABILITY(this) { note_.check_held(); }
  void unlock() CAIRN_RELEASE() {
    note_.unlocked();
    if (word_.exchange(0, std::memory_order_release) == 2) {
      wake();
    }
  }

 private:
  // 0 free, 1 held, 2 held and somebody may wait.
  void lock_slow(uint32_t seen) {
    for (int spin = 0; spin < 64 && seen == 1; ++spin) {
      seen = 0;
      if (word_.compare_exchange_strong(seen, 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        return;
      }
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    while (word_.exchange(2, std::memory_order_acquire) != 0) {
      syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, 2, nullptr, nullptr, 0);
    }
  }
  void wake() { syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

  std::atomic<uint32_t> word_{0};
  [[no_unique_address]] LockNote note_;
};
#if !CAIRN_LOCK_RANKS
static_assert(sizeof(RunLock) == 4);
#endif

/// Holds a run's lock from here to the end of the scope.
using RunGuard = LockGuard<RunLock>;

}  // namespace cairn::engine
