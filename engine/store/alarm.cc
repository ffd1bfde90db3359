#include "engine/store/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "engine/base/fork_guard.h"
#include "engine/store/duty.h"
#include "wal/descriptor.h"

namespace cairn::engine {

bool Alarm::open() {
  if (fd_ >= 0) {
    return false;
  }
  fd_ = wal::above_standard(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (fd_ < 0) {
    return false;
  }
  close_in_child(fd_);
  return true;
}

void Alarm::close() {
  if (fd_ >= 0) {
    forget_in_child(fd_);
    ::close(fd_);
    fd_ = -1;
  }
}

// `at` is in the host's clock; the timer takes the distance to it.
void Alarm::set_timer(int64_t at) const {
  const int64_t wait_ms = at - now_ms();
  itimerspec spec{};
  if (wait_ms > 0) {
    spec.it_value.tv_sec = wait_ms / 1000;
    spec.it_value.tv_nsec = wait_ms % 1000 * 1'000'000;
  } else {
    spec.it_value.tv_nsec = 1;  // at once; 0 would stop the timer
  }
  timerfd_settime(fd_, 0, &spec, nullptr);
}

// The timer is set for all but a flush and the listeners before no_flush_due_ and no_listener_due_ are, and what is
// dirty is looked at after: something that becomes dirty meanwhile is seen here, or sets the timer after this.
void Alarm::set(const FunctionRef<int64_t()>& other, const FunctionRef<int64_t()>& flush,
                const FunctionRef<int64_t()>& listeners, bool checkpoint_failed) {
  if (fd_ < 0) {
    return;
  }
  eviction_noted_ = false;
  growth_noted_ = checkpoint_failed;  // else each append would make a failed checkpoint due again
  const int64_t other_at = other();
  timer_ms_ = other_at;
  set_timer(other_at);
  no_flush_due_ = true;
  no_listener_due_ = true;
  const int64_t flush_at = flush();
  const int64_t listeners_at = listeners();
  if (flush_at != kNever || listeners_at != kNever) {
    no_flush_due_ = flush_at == kNever;
    no_listener_due_ = listeners_at == kNever;
    timer_ms_ = std::min({other_at, flush_at, listeners_at});
    set_timer(timer_ms_);
  }
  if (!checkpoint_failed && growth_.is_due()) {
    set_timer(now_ms());
  }
}

void Alarm::flush_may_be_due() {
  if (fd_.load(std::memory_order_relaxed) < 0) {
    return;
  }
  if (growth_.is_due() && !growth_noted_.exchange(true)) {
    set_timer(now_ms());
  } else if (no_flush_due_.load(std::memory_order_relaxed) && no_flush_due_.exchange(false)) {
    no_listener_due_ = false;
    const uint32_t listen_ms = listen_ms_;
    const uint32_t wait_ms = listen_ms == 0 ? flush_interval_ms_ : std::min(flush_interval_ms_, listen_ms);
    set_timer(std::min(timer_ms_.load(), now_ms() + wait_ms));
  } else if (no_listener_due_.load(std::memory_order_relaxed) && listen_ms_ != 0 && no_listener_due_.exchange(false)) {
    set_timer(std::min(timer_ms_.load(), now_ms() + listen_ms_));
  }
}

void Alarm::eviction_may_be_due() {
  if (fd_.load(std::memory_order_relaxed) >= 0 && runs_.eviction_due() && !eviction_noted_.exchange(true)) {
    set_timer(now_ms());
  }
}

}  // namespace cairn::engine
