#include "engine/store/step_listeners.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/store/duty.h"

namespace cairn::engine {

namespace {

constexpr uint64_t kNothingSeen = std::numeric_limits<uint64_t>::max();

}  // namespace

void StepListeners::add(std::shared_ptr<StepListener> listener) {
  const MutexLock guard(mutex_);
  const uint32_t interval_ms = listener->interval_ms();
  // What is there already is new to it: the first turn is at once.
  listeners_.push_back({std::move(listener), hooks_.monotonic_ms(hooks_.context), kNothingSeen});
  alarm_.listen(alarm_.listen_ms() == 0 ? interval_ms : std::min(alarm_.listen_ms(), interval_ms));
}

void StepListeners::remove(const StepListener* listener) {
  std::shared_ptr<StepListener> removed;  // destroyed without the mutex
  const MutexLock guard(mutex_);
  const auto at = std::find_if(listeners_.begin(), listeners_.end(),
                               [listener](const Listening& l) { return l.listener.get() == listener; });
  if (at == listeners_.end()) {
    return;
  }
  removed = std::move(at->listener);
  listeners_.erase(at);
  uint32_t shortest = 0;
  for (const Listening& l : listeners_) {
    const uint32_t interval_ms = l.listener->interval_ms();
    shortest = shortest == 0 ? interval_ms : std::min(shortest, interval_ms);
  }
  alarm_.listen(shortest);
}

// A run that is dirty may change unnoticed, so it makes the next turn due; what is in the log does so
// once.
int64_t StepListeners::due_ms() const {
  if (alarm_.listen_ms() == 0) {
    return kNever;
  }
  const bool dirty = dirty_.count() != 0;
  const uint64_t lsn = writer_.written_lsn();
  int64_t due = kNever;
  const MutexLock guard(mutex_);
  for (const Listening& l : listeners_) {
    if (dirty || l.seen_lsn != lsn) {
      due = std::min(due, l.due_ms);
    }
  }
  return due;
}

std::vector<std::shared_ptr<StepListener>> StepListeners::take_due(int64_t now_ms) {
  std::vector<std::shared_ptr<StepListener>> due;
  if (alarm_.listen_ms() == 0) {
    return due;
  }
  const bool dirty = dirty_.count() != 0;
  const uint64_t lsn = writer_.written_lsn();
  const MutexLock guard(mutex_);
  for (Listening& l : listeners_) {
    if (l.due_ms <= now_ms && (dirty || l.seen_lsn != lsn)) {
      due.push_back(l.listener);
      l.due_ms = now_ms + l.listener->interval_ms();
      l.seen_lsn = lsn;
    }
  }
  return due;
}

bool StepListeners::run(const std::vector<std::shared_ptr<StepListener>>& due) {
  bool more = false;
  for (const std::shared_ptr<StepListener>& listener : due) {
    if (listener->stepped()) {
      continue;
    }
    const MutexLock guard(mutex_);
    for (Listening& l : listeners_) {
      if (l.listener == listener) {
        l.seen_lsn = kNothingSeen;
        more = true;
      }
    }
  }
  return more;
}

}  // namespace cairn::engine
