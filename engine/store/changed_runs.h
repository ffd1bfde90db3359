// The runs that changed since somebody asked last, for one who follows all runs of the store. What an update puts into
// staging is here once it is in the log; until then its run is dirty.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "engine/store/run.h"
#include "wal/mutex.h"

namespace cairn::engine {

class ChangedRuns {
 public:
  /// From now on changes are noted, and `hint` is called after each, maybe with locks of the store held: it must not
  /// use the store, and lock nothing but leaves. An empty one ends it: when this returns, no call is under way.
  void follow(std::function<void()> hint);
  /// With the run's lock held, after a change of it was appended. The run stays in memory until it is taken.
  void add(Run& run) noexcept;
  /// Each once, in the order of the first of their changes.
  [[nodiscard]] std::vector<RunRef> take();

 private:
  std::atomic<bool> followed_{false};
  Mutex mutex_{LockRank::kChangedRuns};
  std::function<void()> hint_ CAIRN_GUARDED_BY(mutex_);
  RunRef first_ CAIRN_GUARDED_BY(mutex_);  // so are Run::next_changed and Run::is_changed
  size_t count_ CAIRN_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::engine
