// What a store of this process tells of itself: the one LocalStore.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/server/local_store.h"
#include "engine/store/store.h"
#include "wal/mutex.h"

namespace cairn::server {

class StoreFacts : public LocalStore {
 public:
  /// `store` must live longer.
  explicit StoreFacts(engine::Store& store) : store_(store) {}

  Result<std::optional<RunDurability>> durability(std::string_view id) override;
  Result<std::optional<RunHistory>> history(std::string_view id, std::string_view key) override;
  Result<SyncState> sync() override;
  Result<std::vector<DeadRun>> dead(const std::string& after, size_t most) override;
  Result<std::vector<SendingStore>> senders() override;
  Result<StoreFigures> figures() override;

 private:
  [[nodiscard]] int64_t now_us() const;

  engine::Store& store_;
  std::atomic<int64_t> last_checkpoint_ms_{0};  // for senders()

  /// Runs that came from a store.
  struct Came {
    uint64_t runs = 0;
    uint64_t unfinished = 0;
  };
  using CameFrom = std::map<std::array<uint8_t, 16>, Came>;
  /// What a walk over all runs counted. Who asks meanwhile gets what was counted before.
  template <class Counted>
  struct Remembered {
    std::shared_ptr<const Counted> counted;
    int64_t at_ms = 0;
  };
  template <class Counted, class Count>
  Result<std::shared_ptr<const Counted>> remembered(Remembered<Counted> StoreFacts::*which, int64_t for_ms,
                                                    const Count& count);
  Result<CameFrom> count_by_home();
  Result<uint64_t> count_metadata_bytes();

  Mutex mutex_{LockRank::kSubscriptions};  // a leaf; not over a count
  Remembered<CameFrom> came_from_ CAIRN_GUARDED_BY(mutex_);
  Remembered<uint64_t> metadata_bytes_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
