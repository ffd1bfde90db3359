#include "engine/store/changed_runs.h"

#include <algorithm>
#include <utility>

namespace cairn::engine {

void ChangedRuns::follow(std::function<void()> hint) {
  RunRef gone;  // ends after the lock does
  const MutexLock guard(mutex_);
  hint_ = std::move(hint);
  followed_ = static_cast<bool>(hint_);
  if (!followed_) {
    for (gone = std::move(first_); RunRef& run = gone; gone = std::move(run->next_changed)) {
      run->is_changed = false;
    }
    count_ = 0;
  }
}

// No memory is taken: the change is in the log already.
void ChangedRuns::add(Run& run) noexcept {
  if (!followed_.load(std::memory_order_relaxed)) {
    return;
  }
  const MutexLock guard(mutex_);
  if (!hint_) {
    return;
  }
  if (!run.is_changed) {
    run.is_changed = true;
    run.next_changed = std::exchange(first_, run.shared_from_this());
    ++count_;
  }
  hint_();
}

std::vector<RunRef> ChangedRuns::take() {
  std::vector<RunRef> runs;
  const MutexLock guard(mutex_);
  runs.reserve(count_);
  while (first_ != nullptr) {
    RunRef run = std::move(first_);
    first_ = std::move(run->next_changed);
    run->is_changed = false;
    runs.push_back(std::move(run));
  }
  count_ = 0;
  std::reverse(runs.begin(), runs.end());
  return runs;
}

}  // namespace cairn::engine
