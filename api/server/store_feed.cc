#include "api/server/store_feed.h"

#include <algorithm>

#include "engine/base/hooks.h"

namespace cairn::server {

StoreFeed::StoreFeed(engine::Store& store, size_t history_max) : store_(store), history_max_(history_max) {
  {
    const MutexLock guard(mutex_);
    begin();
  }
  on_change({});
}

StoreFeed::~StoreFeed() { store_.follow_changes({}); }

// Without a hint the changes are followed all the same: a position is asked for at any time.
void StoreFeed::on_change(std::function<void()> hint) {
  {
    const MutexLock guard(hint_mutex_);
    hint_ = hint;
  }
  store_.follow_changes(hint ? std::move(hint) : [] {});
}

void StoreFeed::nudge() {
  const MutexLock guard(hint_mutex_);
  if (hint_) {
    hint_();
  }
}

void StoreFeed::begin() {
  const engine::Hooks& hooks = store_.options().hooks;
  uint64_t random = 0;
  hooks.random_bytes(hooks.context, &random, sizeof random);
  name_ = "f";
  for (int shift = 60; shift >= 0; shift -= 4) {
    name_ += "0123456789abcdef"[random >> shift & 0xf];
  }
  number_ = 0;
  forgotten_ = 0;
  history_.clear();
  last_.clear();
}

void StoreFeed::restart() {
  const MutexLock guard(mutex_);
  begin();
}

// A run that is dirty is looked at each time, and counts if it is not as it was.
void StoreFeed::collect() {
  for (const engine::RunRef& run : store_.take_changed()) {
    visited_.fetch_add(1, std::memory_order_relaxed);
    const engine::RunGuard run_guard(run->lock);
    Last& last = last_[run->id];
    const uint64_t version = run->version.load(std::memory_order_acquire);
    if (last.number != 0 && last.version == version && run->gate != Code::kErased) {
      continue;
    }
    last = {++number_, version};
    history_.emplace_back(number_, run->id);
  }
  while (history_.size() > history_max_) {
    const auto& [number, id] = history_.front();
    forgotten_ = number;
    if (const auto at = last_.find(id); at != last_.end() && at->second.number == number) {
      last_.erase(at);
    }
    history_.pop_front();
  }
}

// A run that changed since its number was given gets the number of that change now, so that it is not told again.
Status StoreFeed::fetch_as_it_is(const std::string& id, const Fetch& fetch) {
  CAIRN_TRY_ASSIGN(const uint64_t sequence, fetch(id, last_[id].number));
  Last& last = last_[id];
  if (sequence != 0 && sequence != last.version) {
    last = {++number_, sequence};
    history_.emplace_back(number_, id);
    CAIRN_TRY(fetch(id, number_).status());
  }
  return {};
}

Result<StoreFeed::Look> StoreFeed::look(const std::string& feed, uint64_t number, const Fetch& fetch) {
  const MutexLock guard(mutex_);
  collect();
  Look look{name_, number_, feed == name_ && number <= number_ && number >= forgotten_};
  if (!look.known) {
    return look;
  }
  std::vector<std::string> changed;  // in the order of their last changes
  auto at = std::upper_bound(history_.begin(), history_.end(), number,
                             [](uint64_t n, const auto& change) { return n < change.first; });
  for (; at != history_.end(); ++at) {
    if (last_.at(at->second).number == at->first) {
      changed.push_back(at->second);
    }
  }
  for (const std::string& id : changed) {
    CAIRN_TRY(fetch_as_it_is(id, fetch));
  }
  look.number = number_;
  return look;
}

Result<StoreFeed::Look> StoreFeed::snapshot(const Read& read, const Fetch& fetch) {
  const MutexLock guard(mutex_);
  collect();
  std::vector<std::pair<std::string, uint64_t>> runs;
  CAIRN_TRY(read(runs));
  collect();
  for (const auto& [id, sequence] : runs) {
    const auto at = last_.find(id);
    if (at != last_.end() && at->second.version != sequence) {
      CAIRN_TRY(fetch_as_it_is(id, fetch));
    } else if (at != last_.end()) {
      CAIRN_TRY(fetch(id, at->second.number).status());
    }
  }
  return Look{name_, number_, true};
}

StoreFeed::Look StoreFeed::now() {
  const MutexLock guard(mutex_);
  collect();
  return {name_, number_, true};
}

}  // namespace cairn::server
