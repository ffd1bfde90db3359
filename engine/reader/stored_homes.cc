#include "engine/reader/stored_homes.h"

#include <algorithm>

#include "engine/sync/heard_owner.h"

namespace cairn::engine {

namespace {

constexpr int64_t kUsInMs = 1000;

}  // namespace

void StoredHomes::load(Tables* tables, int64_t now_us) {
  homes_.clear();
  if (tables == nullptr) {
    return;
  }
  (void)tables->look([&](TablesTxn& txn) {
    const auto since = sync::listening_since(txn);
    const int64_t since_us = since.ok() ? *since : 0;
    return sync::each_heard_owner(txn, [&](const Id& owner, sync::HeardOwner&& heard) {
      const int64_t silent_ms = (now_us - std::max(heard.heard_us, since_us)) / kUsInMs;
      homes_[owner] = std::make_shared<HomeStore>(sync::home_store_of(owner, heard, silent_ms));
    });
  });
}

// Views of an earlier look keep theirs.
void StoredHomes::nobody_listens() {
  for (auto& [owner, home] : homes_) {
    home = std::make_shared<HomeStore>(*home);
    home->silent = false;
  }
}

std::shared_ptr<const HomeStore> StoredHomes::find(const Id& owner) const {
  const auto at = homes_.find(owner);
  return at != homes_.end() ? at->second : std::make_shared<const HomeStore>(sync::home_store_of(owner, {}, 0));
}

std::vector<StoredHomes::Id> StoredHomes::on_host(std::string_view host) const {
  std::vector<Id> out;
  for (const auto& [owner, home] : homes_) {
    if (home->host == host) {
      out.push_back(owner);
    }
  }
  return out;
}

}  // namespace cairn::engine
