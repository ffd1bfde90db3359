// What a store of this process tells of itself: the one LocalStore.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/server/local_store.h"
#include "api/server/remembered.h"
#include "engine/store/store.h"

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
  Result<CameFrom> count_by_home();
  Result<uint64_t> count_metadata_bytes();

  Remembered<CameFrom> came_from_;
  Remembered<uint64_t> metadata_bytes_;
};

}  // namespace cairn::server
