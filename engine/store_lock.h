// LOCK: one owning process per store, by an open-file-description lock; and who the owner is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cairn/status.h"

namespace cairn::engine {

struct LockOwner {
  uint64_t pid = 0;        // 0: not known yet, or of another pid namespace, where the number means another process
  bool held = false;       // somebody holds the lock
  bool alive = false;      // and that process lives, as far as can be told (else only a descriptor that its child has)
  bool elsewhere = false;  // it runs in another pid namespace
  Status problem;          // kUnsafe, kIo: LOCK cannot be looked at
};

class StoreLock {
 public:
  /// Takes the lock of `directory` or fails, with who has it in the error detail. kBusy, kUnsafe,
  /// kReadOnly, kNoSpace, kIo.
  static Result<std::unique_ptr<StoreLock>> take(const std::string& directory, const std::string& role);
  ~StoreLock();
  /// Who holds it, without taking it. Nobody where there is no LOCK.
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
