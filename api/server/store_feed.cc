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

// What was taken from the store and is not in the history would be missed for ever: it is another feed then.
void StoreFeed::collect() {
  try {
    take_changed();
  } catch (...) {
    begin();
    throw;
  }
}

// A run that is dirty is looked at each time, and counts if it is not as it was.
void StoreFeed::take_changed() {
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
Result<bool> StoreFeed::fetch_as_it_is(const std::string& id, const Fetch& fetch) {
  CAIRN_TRY_ASSIGN(const uint64_t sequence, fetch(id, last_[id].number));
  if (sequence == kEnough) {
    return false;
  }
  Last& last = last_[id];
  if (sequence != 0 && sequence != last.version) {
    history_.emplace_back(number_ + 1, id);
    last.number = ++number_;
    CAIRN_TRY_ASSIGN(last.version, fetch(id, number_));  // nobody has been told this number yet
  }
  return true;
}

/// Each run once, in the order of their last changes.
std::vector<std::string> StoreFeed::changed_after(uint64_t number) const {
  std::vector<std::string> changed;
  auto at = std::upper_bound(history_.begin(), history_.end(), number,
                             [](uint64_t n, const auto& change) { return n < change.first; });
  for (; at != history_.end(); ++at) {
    if (last_.at(at->second).number == at->first) {
      changed.push_back(at->second);
    }
  }
  return changed;
}

Result<StoreFeed::Look> StoreFeed::look(const std::string& feed, uint64_t number, const Fetch& fetch) {
  const MutexLock guard(mutex_);
  collect();
  Look look{name_, number_, feed == name_ && number <= number_ && number >= forgotten_};
  if (!look.known) {
    return look;
  }
  for (const std::string& id : changed_after(number)) {
    CAIRN_TRY_ASSIGN(const bool more, fetch_as_it_is(id, fetch));
    if (!more) {
      break;
    }
  }
  look.number = number_;
  return look;
}

// What is read may be much: looks go on meanwhile.
Result<StoreFeed::Look> StoreFeed::snapshot(const Read& read, const Fetch& fetch) {
  const Look before = now();
  CAIRN_TRY(read());
  const MutexLock guard(mutex_);
  collect();
  if (name_ != before.feed || before.number < forgotten_) {
    return Look{name_, number_, false};
  }
  // What came, or came to fit, or changed while the others were read.
  for (const std::string& id : changed_after(before.number)) {
    CAIRN_TRY_ASSIGN(const bool more, fetch_as_it_is(id, fetch));
    if (!more) {
      break;
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
