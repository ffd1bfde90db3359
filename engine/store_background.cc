// The one owned thread of a store opened with background = true: it runs step() when it is due, and nothing else.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>

#include "engine/store.h"
#include "engine/undo_unless_done.h"
#include "wal/descriptor.h"

namespace cairn::engine {

Status Store::start_background() {
  if (!options_.background) {
    return {};
  }
  if (wait_fd() < 0) {
    return fail(Status(Code::kIo, "timerfd", errno), "no timer for the background thread");
  }
  stop_fd_ = wal::above_standard(::eventfd(0, EFD_CLOEXEC));
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
  const UndoUnlessDone restore([&before] { pthread_sigmask(SIG_SETMASK, &before, nullptr); });
  const auto work = [this, timer = wait_fd_.load(), stop = stop_fd_] {
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
        step_in_background();
        // A failure of the tables alone does not end the flushes; a latched log and a closed store do.
        if (const auto gate = static_cast<Code>(gate_.load()); gate == Code::kClosed || gate == Code::kLatched) {
          return;
        }
      }
    }
  };
  try {
    background_ = std::thread(work);
  } catch (const std::system_error& e) {
    return fail(Status(Code::kIo, "the background thread", e.code().value()),
                "the background thread cannot be started: " + e.code().message() +
                    "; raise the limit of processes, or open without a background thread and call step()");
  }
  return {};
}

// Whatever step() throws stays here: memory that ran out may be there again at the next one.
void Store::step_in_background() {
  try {
    if (const Status s = step(0); !s.ok()) {
      log(LogLevel::kWarning, s.code, error_detail().message);
    }
    return;
  } catch (const std::bad_alloc&) {
    if (options_.hooks.log != nullptr) {
      options_.hooks.log(options_.hooks.context, LogLevel::kError, Code::kNoMemory, "no memory for a background step");
    }
  }
  const std::lock_guard guard(step_mutex_);
  retry_ms_ = now_ms() + kStepRetryMs;
  arm_timer();
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
