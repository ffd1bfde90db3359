// The mutex of the product: std::mutex with clang's thread-safety attributes and a rank. In builds with NDEBUG it is a
// std::mutex, instruction for instruction.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "wal/lock_rank.h"
#include "wal/thread_annotations.h"

namespace cairn {

class CAIRN_CAPABILITY("mutex") Mutex {
 public:
  explicit constexpr Mutex(LockRank rank) : note_(rank) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() CAIRN_ACQUIRE() {
    note_.check_order();
    mutex_.lock();
    note_.locked();
  }
  /// May be out of order, because it does not wait.
  [[nodiscard]] bool try_lock() CAIRN_TRY_ACQUIRE(true) {
    const bool locked = mutex_.try_lock();
    if (locked) {
      note_.locked();
    }
    return locked;
  }
  void unlock() CAIRN_RELEASE() {
    note_.unlocked();
    mutex_.unlock();
  }
  /// For code that is only called with it held where the compiler cannot see that: a lambda, a virtual function.
  void assert_held() const CAIRN_ASSERT_CAPABILITY(this) { note_.check_held(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
  [[no_unique_address]] LockNote note_;
};
#if !CAIRN_LOCK_RANKS
static_assert(sizeof(Mutex) == sizeof(std::mutex));
#endif

/// Holds a lock from here to the end of the scope.
template <class Lock>
class CAIRN_SCOPED_CAPABILITY LockGuard {
 public:
  explicit LockGuard(Lock& lock) CAIRN_ACQUIRE(lock) : lock_(lock) { lock.lock(); }
  /// It is held already: by a try.
  LockGuard(Lock& lock, std::adopt_lock_t /*held*/) CAIRN_REQUIRES(lock) : lock_(lock) {}
  ~LockGuard() CAIRN_RELEASE() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};
using MutexLock = LockGuard<Mutex>;

/// The same, but it can be given back before.
class CAIRN_SCOPED_CAPABILITY ReleasableMutexLock {
 public:
  explicit ReleasableMutexLock(Mutex& mutex) CAIRN_ACQUIRE(mutex) : mutex_(mutex) { mutex.lock(); }
  ~ReleasableMutexLock() CAIRN_RELEASE() {
    if (held_) {
      mutex_.unlock();
    }
  }
  ReleasableMutexLock(const ReleasableMutexLock&) = delete;
  ReleasableMutexLock& operator=(const ReleasableMutexLock&) = delete;

  void unlock() CAIRN_RELEASE() {
    held_ = false;
    mutex_.unlock();
  }
  void lock() CAIRN_ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

/// Waits are loops over a condition that the mutex guards: they also end without a reason.
class CondVar {
 public:
  void wait(Mutex& mutex) CAIRN_REQUIRES(mutex) {
    Waiting waiting(mutex);
    changed_.wait(waiting.lock);
  }
  /// False: the time is over.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point until) CAIRN_REQUIRES(mutex) {
    Waiting waiting(mutex);
    return changed_.wait_until(waiting.lock, until) == std::cv_status::no_timeout;
  }
  void notify_one() noexcept { changed_.notify_one(); }
  void notify_all() noexcept { changed_.notify_all(); }

 private:
  /// The mutex as std::condition_variable knows it. It is held before and after.
  struct Waiting {
    explicit Waiting(Mutex& of) : mutex(of), lock(of.mutex_, std::adopt_lock) { of.note_.unlocked(); }
    ~Waiting() {
      lock.release();
      mutex.note_.check_order();
      mutex.note_.locked();
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    Mutex& mutex;
    std::unique_lock<std::mutex> lock;
  };

  std::condition_variable changed_;
};

}  // namespace cairn
