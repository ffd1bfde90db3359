#include "engine/store/home_stores.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/tables/format.h"
#include "engine/tables/tables.h"

namespace cairn::engine {

namespace {

constexpr size_t kHomesAtOnce = 2000;
constexpr size_t kHomeBytes = 1024;

}  // namespace

void HomeStores::load() {
  std::map<sync::OwnerId, Owner> owners;
  const int64_t now = now_ms();
  if (const std::shared_ptr<Tables> tables = runs_.tables(); tables != nullptr) {
    const Status read = tables->look([&](TablesTxn& txn) {
      return sync::each_heard_owner(txn, [&](const sync::OwnerId& owner, sync::HeardOwner&& heard) {
        if (owners.size() < kOwnersMax) {
          owners[owner] = {std::move(heard), now, true};
        }
      });
    });
    if (!read.ok()) {
      write_log(hooks_, LogLevel::kWarning, read.code,
                std::string("it is not known which hosts runs came from, until those ask again: ") + read.what);
    }
  }
  const MutexLock guard(mutex_);
  owners_ = std::move(owners);
  kept_ms_ = now;
}

HomeStores::Owner* HomeStores::note(const sync::OwnerId& owner) {
  auto at = owners_.find(owner);
  if (at == owners_.end()) {
    if (owners_.size() >= kOwnersMax) {
      return nullptr;
    }
    at = owners_.emplace(owner, Owner()).first;
    hurry_ = true;
  }
  at->second.heard.heard_us = now_us();
  at->second.heard_ms = now_ms();
  at->second.kept = false;
  return &at->second;
}

void HomeStores::heard(const sync::OwnerId& owner, const sync::About* about) {
  const MutexLock guard(mutex_);
  if (Owner* const noted = note(owner); noted != nullptr && about != nullptr && noted->heard.about != *about) {
    noted->heard.about = *about;
    hurry_ = true;
  }
}

void HomeStores::took(const sync::OwnerId& owner) {
  const MutexLock guard(mutex_);
  if (Owner* const noted = note(owner); noted != nullptr) {
    noted->heard.taken_us = noted->heard.heard_us;
  }
}

std::shared_ptr<const HomeStore> HomeStores::find(const sync::OwnerId& owner) const {
  const int64_t now = now_ms();
  const MutexLock guard(mutex_);
  const auto at = owners_.find(owner);
  return std::make_shared<const HomeStore>(
      at == owners_.end() ? sync::home_store_of(owner, {}, 0)
                          : sync::home_store_of(owner, at->second.heard, now - at->second.heard_ms));
}

std::vector<sync::OwnerId> HomeStores::on_host(std::string_view host) const {
  std::vector<sync::OwnerId> out;
  const MutexLock guard(mutex_);
  for (const auto& [owner, noted] : owners_) {
    if (noted.heard.about.host == host) {
      out.push_back(owner);
    }
  }
  return out;
}

// While any is known a step comes that often, whether there is something to keep or not: a message wakes nobody.
int64_t HomeStores::due_ms() const {
  const MutexLock guard(mutex_);
  return owners_.empty() ? kNever : hurry_ ? kept_ms_ + 1000 : kept_ms_ + kKeepMs;
}

Status HomeStores::run(StepTime& step) {
  if (step.now_ms < due_ms()) {
    return {};
  }
  {
    const MutexLock guard(mutex_);
    kept_ms_ = step.now_ms;
    hurry_ = false;
  }
  return keep();
}

Status HomeStores::keep() {
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return {};
  }
  std::vector<std::pair<sync::OwnerId, sync::HeardOwner>> rows;
  {
    const MutexLock guard(mutex_);
    for (auto& [owner, noted] : owners_) {
      if (!noted.kept) {
        rows.emplace_back(owner, noted.heard);
      }
    }
  }
  for (size_t first = 0; first < rows.size(); first += kHomesAtOnce) {
    const size_t end = std::min(rows.size(), first + kHomesAtOnce);
    CAIRN_TRY(tables->transact((end - first) * kHomeBytes, [&](TablesTxn& txn) -> Status {
      for (size_t i = first; i < end; ++i) {
        CAIRN_TRY(
            txn.put(Table::kCursors, sync::heard_owner_key(rows[i].first), sync::encode_heard_owner(rows[i].second)));
      }
      return {};
    }));
    const MutexLock guard(mutex_);
    for (size_t i = first; i < end; ++i) {
      const auto at = owners_.find(rows[i].first);
      if (at != owners_.end() && at->second.heard == rows[i].second) {
        at->second.kept = true;
      }
    }
  }
  return {};
}

}  // namespace cairn::engine
