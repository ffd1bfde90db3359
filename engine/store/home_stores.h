// The stores that runs come from: who they say they are, and when they were last heard of. In memory, and in the tables
// as it was up to kKeepMs ago.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "engine/base/hooks.h"
#include "engine/records/home_store.h"
#include "engine/store/duty.h"
#include "engine/store/run_table.h"
#include "engine/sync/heard_owner.h"
#include "wal/mutex.h"

namespace cairn::engine {

class HomeStores final : public Duty {
 public:
  static constexpr size_t kOwnersMax = 100'000;
  // Who only reads the tables sees times that are so old; that and the interval of a sender are well below
  // kSilentAfterMs.
  static constexpr int64_t kKeepMs = 30'000;

  /// Beyond `owners_max` the one that was heard of longest ago is forgotten.
  HomeStores(const Hooks& hooks, const RunTable& runs, size_t owners_max = kOwnersMax)
      : hooks_(hooks), runs_(runs), owners_max_(owners_max) {}

  /// At the end of an open: what the tables have. From now on somebody hears them, which the tables get, too.
  void load();
  /// False: the owner is not known, and nothing is noted. Cost: of a look-up.
  bool heard(const sync::OwnerId& owner, const sync::About* about);
  /// The same, and it is known from now on.
  void add(const sync::OwnerId& owner, const sync::About* about);
  /// A batch of the owner was taken. It is known from now on.
  void took(const sync::OwnerId& owner);
  /// Of one of which nothing is known it has the id alone.
  [[nodiscard]] std::shared_ptr<const HomeStore> find(const sync::OwnerId& owner) const;
  /// Those on this host. Cost: of a look at each.
  [[nodiscard]] std::vector<sync::OwnerId> on_host(std::string_view host) const;

  [[nodiscard]] int64_t due_ms() const override;
  Status run(StepTime& step) override;
  /// Writes into the tables what is not there yet. Not synced.
  Status keep();

 private:
  struct Owner {
    sync::HeardOwner heard;
    int64_t heard_ms = 0;  // monotonic; of one that was not heard of since the open, the open
    int64_t kept_us = 0;   // `heard.heard_us` as the tables have it; 0: they have nothing of it
    bool kept = false;     // the tables have it like this
    std::list<sync::OwnerId>::iterator place;
  };
  [[nodiscard]] int64_t now_ms() const { return hooks_.monotonic_ms(hooks_.context); }
  [[nodiscard]] int64_t now_us() const { return hooks_.wall_us(hooks_.context); }
  Owner& known(const sync::OwnerId& owner) CAIRN_REQUIRES(mutex_);
  void forget_oldest() CAIRN_REQUIRES(mutex_);
  void note(Owner& owner, const sync::About* about) CAIRN_REQUIRES(mutex_);
  /// Writes the next ones. `more`: there may be further ones.
  Status keep_some(bool& more);

  const Hooks& hooks_;
  const RunTable& runs_;
  const size_t owners_max_;
  mutable Mutex mutex_{LockRank::kHomeStores};
  std::map<sync::OwnerId, Owner> owners_ CAIRN_GUARDED_BY(mutex_);
  std::list<sync::OwnerId> by_heard_ CAIRN_GUARDED_BY(mutex_);     // the same, the one of longest ago first
  std::set<sync::OwnerId> forgotten_ CAIRN_GUARDED_BY(mutex_);     // the tables still have them
  bool hurry_ CAIRN_GUARDED_BY(mutex_) = false;                    // what the tables have would mislead who reads them
  bool goes_on_ CAIRN_GUARDED_BY(mutex_) = false;                  // a step had no time left to write all
  std::optional<sync::OwnerId> kept_to_ CAIRN_GUARDED_BY(mutex_);  // the last one that was looked at for keep_some
  int64_t kept_ms_ CAIRN_GUARDED_BY(mutex_) = 0;                   // the last try
};

}  // namespace cairn::engine
