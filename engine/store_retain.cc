// Retention of finished runs: a part of the step erases the oldest, by ordinary erases, once they are older than
// retain_finished_ms or more than retain_finished_max are left.
//
// A look lists finished runs, oldest first, kLook at a time; the runs of a look are judged one by one, each again by
// what it is under its lock, over as many steps as their budgets make of it. The first run that stays ends it, and says
// when the next look is due. Runs that may not be erased yet are passed over, and make the next one come sooner.
#include <algorithm>
#include <limits>
#include <mutex>

#include "engine/store.h"

namespace cairn::engine {

namespace {

constexpr size_t kLook = 1000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr uint64_t kWaitMaxMs = 3600'000;  // the wall clock may be set meanwhile
constexpr int64_t kBackoffFirstMs = 1000;
constexpr int64_t kBackoffMaxMs = 30'000;

}  // namespace

// The sequence up to which the upstream has the run, if nothing of it waits, is under way or held; else 0. Who sends
// just now is not waited for: then it is 0, too.
// `drops`: the host would rather lose finished runs than keep more of them.
uint64_t Store::acknowledged_upstream(const std::string& id, bool& drops) {
  const std::unique_lock sync_guard(sync_mutex_, std::try_to_lock);
  const std::unique_lock guard(checkpoint_mutex_, std::try_to_lock);
  if (!sync_guard.owns_lock() || !guard.owns_lock() || tables() == nullptr) {
    return 0;
  }
  drops = over_unsynced_ && sender_ != nullptr && sender_->options().drop_finished;
  const auto sequence = outbox_->acknowledged(id);
  return sequence.ok() ? *sequence : 0;
}

// With the run's lock held. Whoever looks for the run from now on waits for that lock, and finds it erased; so a handle
// that is open is counted here: beside this call's own reference and the table's.
bool Store::may_forget(const Run& run) {
  if (!run.live.pending().empty() || run.detached || run.last_lsn > writer_->durable_lsn()) {
    return false;
  }
  const std::lock_guard guard(table_mutex_);
  return run.weak_from_this().use_count() <= 2;
}

uint64_t Store::age_ms(int64_t finished_us) const {
  return static_cast<uint64_t>(std::max<int64_t>(0, (now_us() - finished_us) / 1000));
}

bool Store::over_retention(int64_t finished_us) const {
  return (options_.retain_finished_ms != 0 && age_ms(finished_us) >= options_.retain_finished_ms) ||
         (options_.retain_finished_max != 0 && finished_ > options_.retain_finished_max);
}

int64_t Store::retain_deadline() const {
  const bool too_many = options_.retain_finished_max != 0 && finished_ > options_.retain_finished_max;
  const int64_t due = too_many ? 0 : options_.retain_finished_ms != 0 ? retain_due_ms_ : kNever;
  return std::max(due, retain_retry_ms_);
}

Status Store::retain(int64_t now, const FunctionRef<bool()>& used_up) {
  const auto try_again = [&] {
    retain_backoff_ms_ = std::clamp(retain_backoff_ms_ * 2, kBackoffFirstMs, kBackoffMaxMs);
    retain_retry_ms_ = now + retain_backoff_ms_;
  };
  if (retain_queue_.empty()) {
    RunQuery finished;
    finished.statuses = final_statuses();
    finished.order = RunOrder::kOldestFirst;
    finished.limit = kLook;
    finished.cursor = retain_cursor_;
    auto cursor = list(
        finished,
        [this](const RunView& view) {
          retain_queue_.push_back({view.record.updated_us, view.record.id});
          return true;
        },
        false);
    if (!cursor.ok()) {
      retain_queue_.clear();
      try_again();
      return cursor.status();
    }
    retain_cursor_ = std::move(*cursor);
  }
  uint64_t wait_ms = options_.retain_finished_ms;  // for one that finishes from now on
  bool ended = false;
  while (!retain_queue_.empty() && !ended) {
    const RunPosition oldest = retain_queue_.front();  // its last update is its finish
    if (!over_retention(oldest.updated_us)) {
      wait_ms -= std::min(wait_ms, age_ms(oldest.updated_us));
      ended = true;
      break;
    }
    if (used_up()) {
      more_ = true;
      return {};
    }
    bool waits = false;
    const bool ships = ships_.load(std::memory_order_relaxed);
    bool drops = false;
    const uint64_t acknowledged = ships ? acknowledged_upstream(oldest.id, drops) : 0;
    bool dropped = false;
    const auto goes = [&](const Run& run) {
      if (run.gate != Code::kFinished || !over_retention(run.record.finished_us)) {
        return false;  // the id was taken again meanwhile
      }
      dropped = ships && run.sequence != acknowledged;
      waits = !may_forget(run) || (dropped && !drops);
      return !waits;
    };
    const Status erased = erase_if(oldest.id, Durability::kProcess, goes);
    if (!erased.ok() && erased.code != Code::kUnchanged && erased.code != Code::kNoSuchRun) {
      try_again();
      return erased;
    }
    dropped_runs_ += erased.ok() && dropped ? 1 : 0;
    retain_waits_ = retain_waits_ || waits;
    retain_queue_.pop_front();
  }
  if (!ended && !retain_cursor_.empty()) {
    more_ = true;  // the next look goes on behind this one
    return {};
  }
  retain_queue_.clear();
  retain_cursor_.clear();
  retain_due_ms_ = now + static_cast<int64_t>(std::min(wait_ms, kWaitMaxMs));
  if (retain_waits_) {
    try_again();
    retain_due_ms_ = std::min(retain_due_ms_, retain_retry_ms_);
  } else {
    retain_backoff_ms_ = 0;
    retain_retry_ms_ = 0;
  }
  retain_waits_ = false;
  return {};
}

}  // namespace cairn::engine
