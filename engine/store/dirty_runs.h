// The runs with something pending or detached: what a flush has to write.
#pragma once

#include <vector>

#include "engine/store/run.h"
#include "wal/mutex.h"

namespace cairn::engine {

class DirtyRuns {
 public:
  /// With the run's lock held. True: it was clean.
  bool add(Run& run);
  /// With the run's lock held.
  void remove(Run& run);
  [[nodiscard]] std::vector<RunRef> all() const;
  [[nodiscard]] size_t count() const;

 private:
  mutable Mutex mutex_{LockRank::kDirtyRuns};
  std::vector<RunRef> runs_ CAIRN_GUARDED_BY(mutex_);  // so is Run::dirty_index, a run's place in here
};

}  // namespace cairn::engine
