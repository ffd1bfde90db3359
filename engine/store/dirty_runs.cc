#include "engine/store/dirty_runs.h"

#include <utility>

namespace cairn::engine {

bool DirtyRuns::add(Run& run) {
  const MutexLock guard(mutex_);
  if (run.dirty_index >= 0) {
    return false;
  }
  runs_.push_back(run.shared_from_this());
  run.dirty_index = static_cast<int32_t>(runs_.size() - 1);
  return true;
}

void DirtyRuns::remove(Run& run) {
  const MutexLock guard(mutex_);
  if (run.dirty_index < 0) {
    return;
  }
  const auto index = static_cast<size_t>(run.dirty_index);
  run.dirty_index = -1;
  if (index + 1 != runs_.size()) {
    runs_[index] = std::move(runs_.back());
    runs_[index]->dirty_index = static_cast<int32_t>(index);
  }
  runs_.pop_back();
}

std::vector<RunRef> DirtyRuns::all() const {
  const MutexLock guard(mutex_);
  return runs_;
}

size_t DirtyRuns::count() const {
  const MutexLock guard(mutex_);
  return runs_.size();
}

}  // namespace cairn::engine
