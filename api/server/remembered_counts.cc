#include "api/server/remembered_counts.h"

#include <algorithm>
#include <new>
#include <utility>

namespace cairn::server {

Result<std::shared_ptr<const RememberedCounts::Counted>> RememberedCounts::get(RunStorage& storage,
                                                                               const std::string& name,
                                                                               const RunFilter& filter,
                                                                               int64_t now_us) {
  {
    const MutexLock lock(mutex_);
    bool waited = false;
    while (entries_[name].is_counting) {
      waited = true;
      changed_.wait(mutex_);
    }
    Entry& entry = entries_[name];
    if (entry.counted != nullptr && (waited || Clock::now() - entry.since < std::chrono::milliseconds(kRememberedMs))) {
      return entry.counted;
    }
    entry.is_counting = true;
  }
  Result<Counts> counts = Status(Code::kNoMemory, "no memory to count the runs");
  try {
    counts = storage.count(filter);
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): who waits must not wait for ever
  }
  const MutexLock lock(mutex_);
  changed_.notify_all();
  Entry& entry = entries_[name];
  entry.is_counting = false;
  if (!counts.ok()) {
    entries_.erase(name);
    return counts.status();
  }
  entry.since = Clock::now();
  entry.counted = std::make_shared<const Counted>(Counted{std::move(*counts), now_us});
  const auto out = entry.counted;
  while (entries_.size() > kFiltersMax) {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
      return a.second.is_counting != b.second.is_counting ? !a.second.is_counting : a.second.since < b.second.since;
    });
    if (oldest->second.is_counting) {
      break;
    }
    entries_.erase(oldest);
  }
  return out;
}

}  // namespace cairn::server
