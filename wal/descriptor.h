// Keeps descriptors away from 0, 1 and 2. These belong to the host's standard input, output and error, even while it
// has them closed: a file of the library there would get the host's next print. So each descriptor becomes a Descriptor
// or passes through above_standard() where it is opened, and code that opens a file to write it, or lets another
// library open files, holds a StandardHeld meanwhile. tools/check_layout.sh finds code that does not.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "wal/mutex.h"

namespace cairn::wal {

/// `fd`, or a copy that replaces it at 3 or above, close-on-exec. Below 0, with errno, if `fd` is below 0 or no number
/// is free.
inline int above_standard(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) {
    return fd;
  }
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  ::close(fd);
  errno = error;
  return moved;
}

/// While such an object lives, /dev/null occupies those of the numbers 0 to 2 that were free when it, or another that
/// lives, was made. The last one frees them. Not covered: a child that another thread forks meanwhile has /dev/null
/// there until it execs or closes them, and a number that the host closes while this lives is free.
class StandardHeld {
 public:
  StandardHeld() {
    Numbers& numbers = shared();
    const MutexLock lock(numbers.mutex);
    ++numbers.holders;
    numbers.take();  // not only the first one: the host may have closed a number since
  }
  ~StandardHeld() {
    Numbers& numbers = shared();
    const MutexLock lock(numbers.mutex);
    if (--numbers.holders == 0) {
      numbers.give_back();
    }
  }
  StandardHeld(const StandardHeld&) = delete;
  StandardHeld& operator=(const StandardHeld&) = delete;

 private:
  struct Numbers {
    Mutex mutex{LockRank::kStandardDescriptors};
    int holders CAIRN_GUARDED_BY(mutex) = 0;
    std::array<bool, 3> taken CAIRN_GUARDED_BY(mutex){};

    void take() CAIRN_REQUIRES(mutex) {
      for (;;) {
        int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0) {
          fd = ::open("/", O_PATH | O_CLOEXEC);  // a chroot without /dev: neither reads nor writes
        }
        if (fd < 0) {
          return;
        }
        if (fd > STDERR_FILENO) {
          ::close(fd);
          return;
        }
        taken[static_cast<size_t>(fd)] = true;
      }
    }
    void give_back() CAIRN_REQUIRES(mutex) {
      for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
        // If the host has put its own file there meanwhile, with dup2, that has no close-on-exec.
        const int flags = ::fcntl(fd, F_GETFD);
        if (std::exchange(taken[static_cast<size_t>(fd)], false) && flags >= 0 && (flags & FD_CLOEXEC) != 0) {
          ::close(fd);
        }
      }
    }
  };
  static Numbers& shared() {
    static auto* const numbers = new Numbers;  // never destroyed: stores may still open while static objects go
    return *numbers;
  }
};

/// Owns a descriptor, above the standard ones.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(above_standard(fd)) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace cairn::wal
