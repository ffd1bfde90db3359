// RunStore: delays and times to live.
#include <algorithm>

#include "api/server/run_store.h"
#include "api/server/times.h"

namespace cairn::server {

using engine::RunStatus;

void RunStore::expect(const std::string& id, int64_t at_us) {
  const MutexLock guard(times_mutex_);
  times_.emplace(at_us, id);
}

// Once, for what was there before this process.
Status RunStore::read_times() {
  constexpr size_t kAtOnce = 1000;
  {
    const MutexLock guard(times_mutex_);
    if (times_read_) {
      return {};
    }
  }
  engine::RunQuery query;
  query.statuses = engine::status_bit(RunStatus::kDelayed) | engine::status_bit(RunStatus::kQueued);
  query.order = engine::RunOrder::kId;
  query.limit = kAtOnce;
  do {
    std::vector<std::pair<int64_t, std::string>> found;
    auto next = store_.list(
        query,
        [&](const engine::RunView& view) {
          const engine::RunRecord& r = view.record;
          if (!r.owned_here() || !r.details) {
            return true;
          }
          if (r.status == RunStatus::kDelayed) {
            found.emplace_back(r.details->delayed_until_us, r.id);
          } else if (const auto ttl = parse_duration_us(r.details->ttl); ttl.value_or(0) != 0) {
            found.emplace_back(r.details->queued_us + *ttl, r.id);
          }
          return true;
        },
        false);
    CAIRN_TRY(next.status());
    const MutexLock guard(times_mutex_);
    times_.insert(found.begin(), found.end());
    query.cursor = std::move(*next);
  } while (!query.cursor.empty());
  const MutexLock guard(times_mutex_);
  times_read_ = true;
  return {};
}

// The run may have changed since the time was noted: each step is judged under its lock. Each is in the log before the
// next; one sync covers many.
Status RunStore::keep_time_of(const std::string& id, int64_t now_us) {
  Written refused;
  CAIRN_TRY_ASSIGN(const auto run, own_run(id, refused));
  if (run == nullptr) {
    return {};
  }
  engine::RunChangeRequest queue;
  queue.from = RunStatus::kDelayed;
  queue.to = RunStatus::kQueued;
  queue.delay_over_us = now_us;
  CAIRN_TRY(store_.change(*run, queue, engine::Durability::kProcess).status());
  const engine::RunView view = store_.view(*run, false);
  const auto& details = view.record.details;
  const auto ttl = details ? parse_duration_us(details->ttl) : std::nullopt;
  if (view.record.status != RunStatus::kQueued || ttl.value_or(0) == 0) {
    return {};
  }
  const int64_t ends_us = details->queued_us + *ttl;
  if (ends_us > now_us) {
    expect(id, ends_us);
    return {};
  }
  engine::RunChangeRequest expire;
  expire.from = RunStatus::kQueued;
  expire.to = RunStatus::kExpired;
  return store_.change(*run, expire, engine::Durability::kProcess).status();
}

// A run that cannot be changed does not keep the others from their time.
Result<int64_t> RunStore::keep_time(int64_t now_us) {
  constexpr int kAtOnce = 1000;
  constexpr int64_t kRetryUs = 60'000'000;
  const NudgeAtEnd nudge(feed_);
  (void)feed_.now();  // what changed is taken from the store's list, also while nobody looks
  CAIRN_TRY(read_times());
  Status failed;
  for (int i = 0; i < kAtOnce; ++i) {
    std::pair<int64_t, std::string> due;
    {
      const MutexLock guard(times_mutex_);
      if (times_.empty() || times_.begin()->first > now_us) {
        break;
      }
      due = *times_.begin();
    }
    const Status s = keep_time_of(due.second, now_us);
    failed = s.ok() ? failed : s;
    const MutexLock guard(times_mutex_);
    times_.erase(due);
    if (!s.ok()) {
      times_.emplace(now_us + kRetryUs, due.second);
    }
  }
  if (store_.options().durability != engine::Durability::kProcess) {
    CAIRN_TRY(store_.barrier());
  }
  CAIRN_TRY(failed);
  const MutexLock guard(times_mutex_);
  return times_.empty() ? INT64_MAX : std::max(times_.begin()->first, now_us);
}

}  // namespace cairn::server
