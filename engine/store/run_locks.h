// The locks of several runs, taken in run-number order.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/store/run.h"

namespace cairn::engine {

class RunLocks {
 public:
  explicit RunLocks(std::vector<Run*> runs) : runs_(std::move(runs)) {
    std::sort(runs_.begin(), runs_.end(), [](const Run* a, const Run* b) { return a->number < b->number; });
    runs_.erase(std::unique(runs_.begin(), runs_.end()), runs_.end());
    for (Run* run : runs_) {
      run->lock.lock();
    }
  }
  ~RunLocks() {
    for (Run* run : runs_) {
      run->lock.unlock();
    }
  }
  RunLocks(const RunLocks&) = delete;
  RunLocks& operator=(const RunLocks&) = delete;
  [[nodiscard]] const std::vector<Run*>& runs() const { return runs_; }

 private:
  std::vector<Run*> runs_;
};

}  // namespace cairn::engine
