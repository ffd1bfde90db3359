// What costs a look at each run is counted by one caller at a time, and remembered for a while.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "cairn/status.h"
#include "wal/mutex.h"

namespace cairn::server {

template <class Counted>
class Remembered {
 public:
  static constexpr size_t kNamesMax = 64;  // beyond it the oldest is forgotten

  /// What `count`, a Result<Counted>(), gave up to `at_most` ago. `name`: one for each thing that is counted. Who asks
  /// while the same is being counted waits for that. An error is not remembered. Threads: any.
  template <class Count>
  Result<std::shared_ptr<const Counted>> get(const std::string& name, std::chrono::milliseconds at_most,
                                             const Count& count) {
    {
      const MutexLock lock(mutex_);
      bool waited = false;
      while (entries_[name].is_counting) {
        waited = true;
        changed_.wait(mutex_);
      }
      Entry& entry = entries_[name];
      if (entry.counted != nullptr && (waited || Clock::now() - entry.since < at_most)) {
        return entry.counted;
      }
      entry.is_counting = true;
    }
    Result<Counted> counted = Status(Code::kNoMemory, "no memory to count the runs");
    try {
      counted = count();
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): who waits must not wait for ever
    }
    const MutexLock lock(mutex_);
    changed_.notify_all();
    Entry& entry = entries_[name];
    entry.is_counting = false;
    if (!counted.ok()) {
      entries_.erase(name);
      return counted.status();
    }
    entry.since = Clock::now();
    entry.counted = std::make_shared<const Counted>(std::move(*counted));
    const auto out = entry.counted;
    forget_oldest();
    return out;
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    std::shared_ptr<const Counted> counted;  // null: it is being counted the first time
    bool is_counting = false;
    Clock::time_point since;
  };

  void forget_oldest() CAIRN_REQUIRES(mutex_) {
    while (entries_.size() > kNamesMax) {
      const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
        return a.second.is_counting != b.second.is_counting ? !a.second.is_counting : a.second.since < b.second.since;
      });
      if (oldest->second.is_counting) {
        break;
      }
      entries_.erase(oldest);
    }
  }

  Mutex mutex_{LockRank::kSubscriptions};  // never held together with another of its rank, nor over a count
  CondVar changed_;
  std::map<std::string, Entry> entries_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
