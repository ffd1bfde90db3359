// The stores that runs come from: who they say they are, and when they were last heard of. In memory, and in the tables
// as it was up to kKeepMs ago.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
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
  static constexpr size_t kOwnersMax = 100'000;  // of any more nothing is noted
  // Who only reads the tables sees times that are so old; that and the interval of a sender are well below
  // kSilentAfterMs.
  static constexpr int64_t kKeepMs = 30'000;

  HomeStores(const Hooks& hooks, const RunTable& runs) : hooks_(hooks), runs_(runs) {}

  /// At the end of an open: what the tables have. From now on somebody hears them.
  void load();
  /// Cost: of a look-up.
  void heard(const sync::OwnerId& owner, const sync::About* about);
  /// A batch of the owner was taken.
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
    bool kept = false;     // the tables have it like this
  };
  [[nodiscard]] int64_t now_ms() const { return hooks_.monotonic_ms(hooks_.context); }
  [[nodiscard]] int64_t now_us() const { return hooks_.wall_us(hooks_.context); }
  Owner* note(const sync::OwnerId& owner) CAIRN_REQUIRES(mutex_);

  const Hooks& hooks_;
  const RunTable& runs_;
  mutable Mutex mutex_{LockRank::kHomeStores};
  std::map<sync::OwnerId, Owner> owners_ CAIRN_GUARDED_BY(mutex_);
  bool hurry_ CAIRN_GUARDED_BY(mutex_) = false;   // one tells what the tables do not have
  int64_t kept_ms_ CAIRN_GUARDED_BY(mutex_) = 0;  // the last try
};

}  // namespace cairn::engine
