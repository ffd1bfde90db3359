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
// A time in the tables that is older than this would soon be taken for silence.
constexpr int64_t kOldUs = 25'000'000;

}  // namespace

void HomeStores::load() {
  std::vector<std::pair<sync::OwnerId, sync::HeardOwner>> stored;
  if (const std::shared_ptr<Tables> tables = runs_.tables(); tables != nullptr) {
    const Status read = tables->look([&](TablesTxn& txn) {
      return sync::each_heard_owner(txn, [&](const sync::OwnerId& owner, sync::HeardOwner&& heard) {
        stored.emplace_back(owner, std::move(heard));
      });
    });
    if (!read.ok()) {
      write_log(hooks_, LogLevel::kWarning, read.code,
                std::string("it is not known which hosts runs came from, until those ask again: ") + read.what);
    }
    const Status kept = stored.empty() ? Status() : tables->transact(kHomeBytes, [this](TablesTxn& txn) {
      return sync::keep_listening_since(txn, now_us());
    });
    if (!kept.ok()) {
      write_log(
          hooks_, LogLevel::kWarning, kept.code,
          std::string("who reads the directory may take workers for silent, until those ask again: ") + kept.what);
    }
  }
  std::sort(stored.begin(), stored.end(),
            [](const auto& a, const auto& b) { return a.second.heard_us < b.second.heard_us; });
  const int64_t now = now_ms();
  const MutexLock guard(mutex_);
  for (auto& [id, heard] : stored) {
    Owner& owner = known(id);
    owner.kept_us = heard.heard_us;
    owner.kept = true;
    owner.heard = std::move(heard);
    owner.heard_ms = now;
  }
  kept_ms_ = now;
  hurry_ = false;
}

HomeStores::Owner& HomeStores::known(const sync::OwnerId& owner) {
  if (const auto at = owners_.find(owner); at != owners_.end()) {
    return at->second;
  }
  if (owners_.size() >= owners_max_) {
    forget_oldest();
  }
  Owner& made = owners_[owner];
  made.place = by_heard_.insert(by_heard_.end(), owner);
  made.kept_us = forgotten_.erase(owner) != 0 ? 1 : 0;
  hurry_ = true;
  return made;
}

void HomeStores::forget_oldest() {
  if (by_heard_.empty()) {
    return;
  }
  const auto oldest = owners_.find(by_heard_.front());
  if (oldest->second.kept_us != 0) {
    forgotten_.insert(oldest->first);
  }
  by_heard_.pop_front();
  owners_.erase(oldest);
}

void HomeStores::note(Owner& owner, const sync::About* about) {
  owner.heard.heard_us = now_us();
  owner.heard_ms = now_ms();
  owner.kept = false;
  by_heard_.splice(by_heard_.end(), by_heard_, owner.place);
  if (owner.heard.heard_us - owner.kept_us > kOldUs) {
    hurry_ = true;
  }
  if (about != nullptr && owner.heard.about != *about) {
    owner.heard.about = *about;
    hurry_ = true;
  }
}

bool HomeStores::heard(const sync::OwnerId& owner, const sync::About* about) {
  const MutexLock guard(mutex_);
  const auto at = owners_.find(owner);
  if (at == owners_.end()) {
    return false;
  }
  note(at->second, about);
  return true;
}

void HomeStores::add(const sync::OwnerId& owner, const sync::About* about) {
  const MutexLock guard(mutex_);
  note(known(owner), about);
}

void HomeStores::took(const sync::OwnerId& owner) {
  const MutexLock guard(mutex_);
  Owner& from = known(owner);
  note(from, nullptr);
  from.heard.taken_us = from.heard.heard_us;
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
  if (goes_on_) {
    return kept_ms_;
  }
  return owners_.empty() ? kNever : hurry_ ? kept_ms_ + 1000 : kept_ms_ + kKeepMs;
}

Status HomeStores::run(StepTime& step) {
  if (step.now_ms < due_ms()) {
    return {};
  }
  {
    const MutexLock guard(mutex_);
    if (!goes_on_) {
      kept_ms_ = step.now_ms;
      hurry_ = false;
      goes_on_ = true;
    }
  }
  for (bool more = true; more;) {
    if (step.used_up()) {
      step.more = true;
      return {};
    }
    CAIRN_TRY(keep_some(more));
  }
  return {};
}

Status HomeStores::keep() {
  for (bool more = true; more;) {
    CAIRN_TRY(keep_some(more));
  }
  return {};
}

Status HomeStores::keep_some(bool& more) {
  more = false;
  const std::shared_ptr<Tables> tables = runs_.tables();
  std::vector<sync::OwnerId> forgotten;
  std::vector<std::pair<sync::OwnerId, sync::HeardOwner>> rows;
  {
    const MutexLock guard(mutex_);
    for (auto at = forgotten_.begin(); at != forgotten_.end() && forgotten.size() < kHomesAtOnce; ++at) {
      forgotten.push_back(*at);
    }
    auto at = kept_to_ ? owners_.upper_bound(*kept_to_) : owners_.begin();
    for (; at != owners_.end() && rows.size() < kHomesAtOnce; ++at) {
      if (!at->second.kept) {
        rows.emplace_back(at->first, at->second.heard);
      }
    }
    // A failure, too, ends it here: the next one begins at the start, when it is due.
    kept_to_.reset();
    goes_on_ = false;
    if (tables == nullptr || (rows.empty() && forgotten.empty())) {
      return {};
    }
    more = at != owners_.end();
  }
  CAIRN_TRY(tables->transact((rows.size() + forgotten.size()) * kHomeBytes, [&](TablesTxn& txn) -> Status {
    for (const sync::OwnerId& owner : forgotten) {
      CAIRN_TRY(txn.erase(Table::kCursors, sync::heard_owner_key(owner)));
    }
    for (const auto& [owner, heard] : rows) {
      CAIRN_TRY(txn.put(Table::kCursors, sync::heard_owner_key(owner), sync::encode_heard_owner(heard)));
    }
    return {};
  }));
  const MutexLock guard(mutex_);
  for (const sync::OwnerId& owner : forgotten) {
    forgotten_.erase(owner);
  }
  for (const auto& [id, heard] : rows) {
    const auto at = owners_.find(id);
    if (at == owners_.end()) {
      forgotten_.insert(id);  // meanwhile
      continue;
    }
    at->second.kept_us = heard.heard_us;
    at->second.kept = at->second.heard == heard;
  }
  if (more) {
    goes_on_ = true;
    kept_to_ = rows.back().first;
  }
  return {};
}

}  // namespace cairn::engine
