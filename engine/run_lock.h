// The lock of one run: one 32-bit word, taken and given back without a system call while nobody waits (a futex mutex
// after Drepper, "Futexes Are Tricky", mutex 2). std::mutex costs a call into libpthread each way, which the hot path
// feels.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace cairn::engine {

class RunLock {
 public:
  void lock() {
    uint32_t free = 0;
    if (!word_.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed)) {
      lock_slow(free);
    }
  }
  bool try_lock() {
    uint32_t free = 0;
    return word_.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() {
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
};
static_assert(sizeof(RunLock) == 4);

}  // namespace cairn::engine
