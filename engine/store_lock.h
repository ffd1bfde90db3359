// LOCK: one owning process per store, by an open-file-description lock; and who the owner is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cairn/status.h"

namespace cairn::engine {

struct LockOwner {
  uint64_t pid = 0;
  uint64_t pid_namespace = 0;
  bool held = false;   // somebody holds the lock
  bool alive = false;  // and the process of that pid lives (else a descriptor inherited by its child does)
  std::string role;
};

class StoreLock {
 public:
  /// Takes the lock of `directory` or fails with kBusy and fills `owner`.
  static Result<std::unique_ptr<StoreLock>> take(const std::string& directory, const std::string& role,
                                                 LockOwner& owner);
  ~StoreLock();
  /// Who holds it, without taking it.
  static LockOwner look(const std::string& directory);
  void abandon() { fd_ = -1; }  // in a forked child, whose descriptor is closed already

 private:
  StoreLock() = default;
  int fd_ = -1;  // below 0: nothing is held
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

/// What to say of a store that `owner` has: with who it is in the error's detail.
Status fail_busy(Status busy, const LockOwner& owner);

}  // namespace cairn::engine
