// Which runs that came from other stores were written here by others than their owners, since those asked for them
// last. In memory: after an open no owner is known, and each that asks again looks at all of its runs once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "engine/base/hooks.h"
#include "engine/store/run.h"
#include "engine/sync/message.h"
#include "engine/sync/unseen.h"
#include "wal/mutex.h"

namespace cairn::engine {

class UnseenWrites {
 public:
  static constexpr size_t kOwnersMax = 100'000;
  static constexpr size_t kRunsMax = 10'000;      // of one owner
  static constexpr size_t kAllRunsMax = 1 << 20;  // of all owners

  explicit UnseenWrites(const Hooks& hooks) : hooks_(hooks) {}

  /// With the run's lock held, after a change was appended that the run's owner did not make. Cost: one load for a run
  /// of this store, or while nobody follows.
  void add(const Run& run) noexcept CAIRN_REQUIRES(run.lock);
  /// From now on the owner's runs are noted. Over one of the bounds the owner, or all, are forgotten: they follow again
  /// under another feed.
  void follow(const sync::OwnerId& owner);
  /// The owner asks for this run. Before the run is read: a write that comes then is noted again.
  void asked(const sync::OwnerId& owner, const std::string& id);
  /// What the owner has not asked for; feed 0: it does not follow.
  [[nodiscard]] sync::Unseen of(const sync::OwnerId& owner) const;

 private:
  struct Owner {
    uint64_t feed = 0;
    std::set<std::string, std::less<>> runs;
  };
  void forget(std::map<sync::OwnerId, Owner>::iterator at) CAIRN_REQUIRES(mutex_);

  const Hooks& hooks_;
  std::atomic<bool> followed_{false};  // by any owner
  mutable Mutex mutex_{LockRank::kUnseenWrites};
  std::map<sync::OwnerId, Owner> owners_ CAIRN_GUARDED_BY(mutex_);
  size_t runs_ CAIRN_GUARDED_BY(mutex_) = 0;  // of all owners
};

}  // namespace cairn::engine
