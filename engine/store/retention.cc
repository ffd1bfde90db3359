#include "engine/store/retention.h"

#include <algorithm>
#include <utility>

namespace cairn::engine {

namespace {

constexpr size_t kLook = 1000;
constexpr uint64_t kWaitMaxMs = 3600'000;  // the wall clock may be set meanwhile

}  // namespace

// With the run's lock held. Whoever looks for the run from now on waits for that lock, and finds it erased; so a handle
// that is open is counted here, besides this call's own reference and the table's.
bool Retention::may_forget(const Run& run) const {
  return run.live.pending().empty() && !run.detached && run.last_lsn <= writer_.durable_lsn() &&
         !runs_.has_other_holders(run);
}

uint64_t Retention::age_ms(int64_t finished_us) const {
  return static_cast<uint64_t>(std::max<int64_t>(0, (hooks_.wall_us(hooks_.context) - finished_us) / 1000));
}

bool Retention::is_over(int64_t finished_us) const {
  return (options_.age_ms_max != 0 && age_ms(finished_us) >= options_.age_ms_max) || too_many();
}

int64_t Retention::due_ms() const {
  const int64_t due = too_many() ? 0 : options_.age_ms_max != 0 ? old_enough_ms_ : kNever;
  return std::max(due, retry_.at_ms());
}

Status Retention::look() {
  RunQuery finished;
  finished.statuses = final_statuses();
  finished.order = RunOrder::kOldestFirst;
  finished.limit = kLook;
  finished.cursor = cursor_;
  auto cursor = host_.list(finished, [this](const RunPosition& run) { queue_.push_back(run); });
  if (!cursor.ok()) {
    queue_.clear();
    return cursor.status();
  }
  cursor_ = std::move(*cursor);
  return {};
}

// Erases it, if it may go.
Status Retention::judge(const RunPosition& oldest) {
  const Sent sent = host_.sent(oldest.id);
  bool waits = false;
  bool dropped = false;
  const auto goes = [&](const Run& run) {
    run.lock.assert_held();
    if (run.gate != Code::kFinished || !is_over(run.record.finished_us)) {
      return false;  // the id was taken again meanwhile
    }
    dropped = sent.ships && run.sequence != sent.acknowledged;
    waits = !may_forget(run) || (dropped && !sent.drops);
    return !waits;
  };
  const Status erased = host_.erase(oldest.id, goes);
  if (!erased.ok() && erased.code != Code::kUnchanged && erased.code != Code::kNoSuchRun) {
    return erased;
  }
  dropped_runs_ += erased.ok() && dropped ? 1 : 0;
  waits_ = waits_ || waits;
  return {};
}

Status Retention::run(StepTime& step) {
  if (step.now_ms < due_ms()) {
    return {};
  }
  const auto failed = [&](const Status& s) {
    retry_.failed(step.now_ms);
    return s;
  };
  if (queue_.empty()) {
    if (const Status s = look(); !s.ok()) {
      return failed(s);
    }
  }
  uint64_t wait_ms = options_.age_ms_max;  // for one that finishes from now on
  bool ended = false;
  while (!queue_.empty() && !ended) {
    const RunPosition oldest = queue_.front();  // its last update is its finish, or came after it
    if (!is_over(oldest.time_us)) {
      wait_ms -= std::min(wait_ms, age_ms(oldest.time_us));
      ended = true;
      break;
    }
    if (step.used_up()) {
      step.more = true;
      return {};
    }
    if (const Status s = judge(oldest); !s.ok()) {
      return failed(s);
    }
    queue_.pop_front();
  }
  if (!ended && !cursor_.empty()) {
    step.more = true;  // the next look goes on after this one
    return {};
  }
  end_look(wait_ms, step.now_ms);
  return {};
}

void Retention::end_look(uint64_t wait_ms, int64_t now_ms) {
  queue_.clear();
  cursor_.clear();
  old_enough_ms_ = now_ms + static_cast<int64_t>(std::min(wait_ms, kWaitMaxMs));
  if (waits_) {
    retry_.failed(now_ms);
    old_enough_ms_ = std::min(old_enough_ms_, retry_.at_ms());
  } else {
    retry_.worked();
  }
  waits_ = false;
}

}  // namespace cairn::engine
