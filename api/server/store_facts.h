// What a store of this process tells of itself: the one LocalStore.
#pragma once

#include <optional>
#include <string_view>

#include "api/server/local_store.h"
#include "engine/store/store.h"

namespace cairn::server {

class StoreFacts : public LocalStore {
 public:
  /// `store` must live longer.
  explicit StoreFacts(engine::Store& store) : store_(store) {}

  Result<std::optional<RunDurability>> durability(std::string_view id) override;

 private:
  [[nodiscard]] int64_t now_us() const;

  engine::Store& store_;
};

}  // namespace cairn::server
