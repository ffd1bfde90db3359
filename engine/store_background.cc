// The one owned thread of a store opened with background = true: it runs step() when it is due, and nothing else.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "engine/store.h"

namespace cairn::engine {

Status Store::start_background() {
  if (!options_.background) {
    return {};
  }
  if (wait_fd() < 0) {
    return fail(Status(Code::kIo, "timerfd", errno), "no timer for the background thread");
  }
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  if (stop_fd_ < 0) {
    return fail(Status(Code::kIo, "eventfd", errno), "no event for the background thread");
  }
  close_in_child(stop_fd_);
  // The host's signals are the host's: this thread takes none.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  for (const int fault : {SIGBUS, SIGSEGV, SIGILL, SIGFPE}) {
    sigdelset(&all, fault);  // of this thread's own making: a blocked one ends the process without a word to anybody
  }
  pthread_sigmask(SIG_SETMASK, &all, &before);
  background_ = std::thread([this, timer = wait_fd_, stop = stop_fd_] {
    pollfd fds[2] = {{timer, POLLIN, 0}, {stop, POLLIN, 0}};
    while (true) {
      if (poll(fds, 2, -1) < 0 && errno != EINTR) {
        return;
      }
      if (fds[1].revents != 0) {
        return;
      }
      uint64_t expirations;
      if (read(timer, &expirations, sizeof expirations) > 0) {
        if (const Status s = step(0); !s.ok()) {
          log(LogLevel::kWarning, s.code, error_detail().message);
        }
        // A failure of the tables alone does not end the flushes; a latched log and a closed store do.
        if (const auto gate = static_cast<Code>(gate_.load()); gate == Code::kClosed || gate == Code::kLatched) {
          return;
        }
      }
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return {};
}

void Store::stop_background() {
  if (!background_.joinable()) {
    return;
  }
  const uint64_t one = 1;
  if (write(stop_fd_, &one, sizeof one) == sizeof one) {
    background_.join();
  }
  forget_in_child(stop_fd_);
  ::close(stop_fd_);
  stop_fd_ = -1;
}

}  // namespace cairn::engine
