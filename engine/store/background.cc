#include "engine/store/background.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>

#include "engine/base/error_detail.h"
#include "engine/base/fork_guard.h"
#include "wal/descriptor.h"
#include "wal/signals_blocked.h"

namespace cairn::engine {

Status Background::start() {
  const int timer = stepper_.wait_fd();
  if (timer < 0) {
    return fail(Status(Code::kIo, "timerfd", errno), "no timer for the background thread");
  }
  stop_fd_ = wal::above_standard(::eventfd(0, EFD_CLOEXEC));
  if (stop_fd_ < 0) {
    return fail(Status(Code::kIo, "eventfd", errno), "no event for the background thread");
  }
  close_in_child(stop_fd_);
  const SignalsBlocked blocked;
  try {
    thread_ = std::thread([this, timer, stop = stop_fd_] { work(timer, stop); });
  } catch (const std::system_error& e) {
    return fail(Status(Code::kIo, "the background thread", e.code().value()),
                "the background thread cannot be started: " + e.code().message() +
                    "; raise the limit of processes, or open without a background thread and call step()");
  }
  return {};
}

void Background::work(int timer, int stop) {
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
      step();
      // A failure of the tables alone does not end the flushes; a latched log and a closed store do.
      if (gate_.has_ended()) {
        return;
      }
    }
  }
}

// Whatever step() throws stays here: memory that ran out may be there again at the next one.
void Background::step() {
  try {
    if (const Status s = stepper_.step(0); !s.ok()) {
      write_log(hooks_, LogLevel::kWarning, s.code, error_text(s));
    }
    return;
  } catch (const std::bad_alloc&) {
    write_log(hooks_, LogLevel::kError, Code::kNoMemory, "no memory for a background step");
  }
  stepper_.out_of_memory();
}

void Background::stop() {
  if (!thread_.joinable()) {
    return;
  }
  const uint64_t one = 1;
  if (write(stop_fd_, &one, sizeof one) == sizeof one) {
    thread_.join();
  }
  forget_in_child(stop_fd_);
  ::close(stop_fd_);
  stop_fd_ = -1;
}

void Background::abandon() {
  if (thread_.joinable()) {
    thread_.detach();
  }
}

}  // namespace cairn::engine
