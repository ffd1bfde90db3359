// The stores that runs came from, as the tables have them: for who only reads a store.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/records/home_store.h"
#include "engine/tables/tables.h"

namespace cairn::engine {

class StoredHomes {
 public:
  using Id = std::array<uint8_t, 16>;

  /// What cannot be read is not known. `tables`: may be null. Cost: of a walk over them.
  void load(Tables* tables, int64_t now_us);
  /// No process has the store open, so their silence means nothing.
  void nobody_listens();
  /// Of one of which nothing is known it has the id alone.
  [[nodiscard]] std::shared_ptr<const HomeStore> find(const Id& owner) const;
  /// Those on this host.
  [[nodiscard]] std::vector<Id> on_host(std::string_view host) const;

 private:
  std::map<Id, std::shared_ptr<HomeStore>> homes_;
};

}  // namespace cairn::engine
