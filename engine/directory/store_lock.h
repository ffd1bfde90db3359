// LOCK: an open-file-description lock that makes sure that one process owns the store; the file says which.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cairn/status.h"

namespace cairn::engine {

struct LockOwner {
  uint64_t pid = 0;        // 0: not known yet, or in another pid namespace, where the number means another process
  bool held = false;       // a process holds the lock
  bool alive = false;      // and it lives, as far as can be known (else a child has only inherited the descriptor)
  bool elsewhere = false;  // it runs in another pid namespace
  Status problem;          // kUnsafe, kIo: LOCK cannot be examined
};

class StoreLock {
 public:
  /// Takes the lock of `directory`, or fails; the error detail names the owner. kBusy, kUnsafe, kReadOnly, kNoSpace,
  /// kIo.
  static Result<std::unique_ptr<StoreLock>> take(const std::string& directory, const std::string& role);
  ~StoreLock();
  /// The owner, without taking the lock. Not held if there is no LOCK.
  static LockOwner look(const std::string& directory);
  void abandon() { fd_ = -1; }  // in a forked child, whose descriptor is closed already

 private:
  StoreLock() = default;
  [[nodiscard]] Status lock(int fd) const;
  int fd_ = -1;  // below 0: nothing is held
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

}  // namespace cairn::engine
