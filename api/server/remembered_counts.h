// Counts of runs, which cost a look at each run: those that are asked for again within a few seconds are remembered.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "api/server/run_storage.h"
#include "wal/mutex.h"

namespace cairn::server {

class RememberedCounts {
 public:
  static constexpr int64_t kRememberedMs = 5'000;
  static constexpr size_t kFiltersMax = 64;  // beyond it the oldest is forgotten

  struct Counted {
    Counts counts;
    int64_t at_us = 0;  // wall clock
  };
  /// `name`: one for each filter. Who asks while the same is being counted waits for that. Threads: any.
  Result<std::shared_ptr<const Counted>> get(RunStorage& storage, const std::string& name, const RunFilter& filter,
                                             int64_t now_us);

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    std::shared_ptr<const Counted> counted;  // null: it is being counted the first time
    bool is_counting = false;
    Clock::time_point since;
  };

  Mutex mutex_{LockRank::kSubscriptions};  // never held together with that of Subscriptions, nor over a count
  CondVar changed_;
  std::map<std::string, Entry> entries_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
