// How far the disk is behind what was acknowledged.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "engine/store/store.h"
#include "wal/mutex.h"

namespace cairn::metrics {

/// Threads: any.
class DurableLag {
 public:
  /// Notes where the store is. To be called a few times a second: the lag is known as exactly as that. `now_ms` rises
  /// and was taken before the call.
  void look(engine::Store& store, int64_t now_ms);
  /// What was updated within so many seconds may not be durable; 0: nothing waits.
  [[nodiscard]] double seconds(engine::Store& store, int64_t now_ms);

 private:
  void forget_durable(engine::Store& store) CAIRN_REQUIRES(mutex_);

  Mutex mutex_{LockRank::kHttpMetrics};
  // Epochs that are not durable yet, with the last look at each: what was updated before it is covered by it.
  std::deque<std::pair<uint64_t, int64_t>> looks_ CAIRN_GUARDED_BY(mutex_);
  int64_t durable_ms_ CAIRN_GUARDED_BY(mutex_) = 0;  // what was updated before is durable; 0: nobody has looked
};

}  // namespace cairn::metrics
