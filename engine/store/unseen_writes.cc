#include "engine/store/unseen_writes.h"

#include <algorithm>
#include <new>

namespace cairn::engine {

void UnseenWrites::forget(std::map<sync::OwnerId, Owner>::iterator at) {
  runs_ -= at->second.runs.size();
  owners_.erase(at);
}

void UnseenWrites::add(const Run& run) noexcept {
  if (!run.record.origin.received() || !followed_.load(std::memory_order_relaxed)) {
    return;
  }
  const MutexLock guard(mutex_);
  const auto at = owners_.find(run.record.origin.owner);
  if (at == owners_.end()) {
    return;
  }
  try {
    runs_ += at->second.runs.insert(run.id).second ? 1 : 0;
  } catch (const std::bad_alloc&) {
    forget(at);
    return;
  }
  if (at->second.runs.size() > kRunsMax) {
    forget(at);
  } else if (runs_ > kAllRunsMax) {
    owners_.clear();
    runs_ = 0;
  }
}

void UnseenWrites::follow(const sync::OwnerId& owner) {
  const MutexLock guard(mutex_);
  if (owners_.contains(owner)) {
    return;
  }
  if (owners_.size() >= kOwnersMax) {
    owners_.clear();
    runs_ = 0;
  }
  uint64_t feed = 0;
  hooks_.random_bytes(hooks_.context, &feed, sizeof feed);
  owners_[owner].feed = std::max<uint64_t>(feed, 1);
  followed_ = true;
}

void UnseenWrites::asked(const sync::OwnerId& owner, const std::string& id) {
  const MutexLock guard(mutex_);
  if (const auto at = owners_.find(owner); at != owners_.end()) {
    runs_ -= at->second.runs.erase(id);
  }
}

sync::Unseen UnseenWrites::of(const sync::OwnerId& owner) const {
  sync::Unseen unseen;
  const MutexLock guard(mutex_);
  const auto at = owners_.find(owner);
  if (at == owners_.end()) {
    return unseen;
  }
  unseen.feed = at->second.feed;
  for (const std::string& id : at->second.runs) {
    if (unseen.runs.size() == sync::kUnseenRunsMax) {
      break;
    }
    unseen.runs.push_back(id);
  }
  return unseen;
}

}  // namespace cairn::engine
