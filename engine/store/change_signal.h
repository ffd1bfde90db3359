// Wakes who waits for a state that others change. A change between a look and the wait is not missed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "wal/mutex.h"

namespace cairn::engine {

class ChangeSignal {
 public:
  /// The changes so far. Read before the state is looked at.
  [[nodiscard]] uint64_t count() const {
    const MutexLock guard(mutex_);
    return count_;
  }
  /// After each change of the state.
  void notify() {
    {
      const MutexLock guard(mutex_);
      ++count_;
    }
    changed_->notify_all();
  }
  /// Waits until there was a change since `seen`, or for so many milliseconds; false: there was none.
  bool wait(uint64_t seen, int64_t ms) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    const MutexLock guard(mutex_);
    bool in_time = true;
    while (count_ == seen && in_time) {
      in_time = changed_->wait_until(mutex_, until);
    }
    return count_ != seen;
  }
  /// For the destructor in a forked child: to destroy a condition variable waits for its waiters, and the threads that
  /// waited at the fork are not in the child.
  void abandon() { static_cast<void>(changed_.release()); }

 private:
  mutable Mutex mutex_{LockRank::kChangeSignal};
  std::unique_ptr<CondVar> changed_ = std::make_unique<CondVar>();
  uint64_t count_ CAIRN_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::engine
