#include "engine/store/stepper.h"

#include <algorithm>
#include <memory>

#include "engine/directory/reserve.h"

namespace cairn::engine {

namespace {

constexpr int64_t kNothingDueMs = 3600'000;
constexpr int64_t kFlushRetryMs = 200;

void keep_first(Status& first, const Status& s) {
  if (first.ok() && !s.ok()) {
    first = s;
  }
}

}  // namespace

Stepper::Stepper(Options options, const Hooks& hooks, Gate& gate, wal::Writer& writer, DirtyRuns& dirty, RunTable& runs,
                 Flusher& flusher, DiskBudget& budget, Alarm& alarm, StepListeners& listeners,
                 Preallocation& preallocation, TimedCheckpoint& checkpoint, IdleNote& idle_note, Host host)
    : options_(options),
      hooks_(hooks),
      gate_(gate),
      writer_(writer),
      dirty_(dirty),
      runs_(runs),
      flusher_(flusher),
      budget_(budget),
      alarm_(alarm),
      listeners_(listeners),
      preallocation_(preallocation),
      checkpoint_(checkpoint),
      idle_note_(idle_note),
      host_(std::move(host)),
      flushed_ms_(now_ms()),
      retry_ms_(gate.keeps_room() ? flushed_ms_ + kFlushRetryMs : 0) {}

Status Stepper::step(int64_t budget_us) {
  CAIRN_TRY(gate_.check_process());
  std::vector<std::shared_ptr<StepListener>> listeners;
  Status status;
  {
    const MutexLock guard(mutex_);
    status = step_locked(budget_us, listeners);
  }
  if (listeners_.run(listeners)) {
    rearm();
  }
  return status;
}

Status Stepper::step_locked(int64_t budget_us, std::vector<std::shared_ptr<StepListener>>& listeners) {
  CAIRN_TRY(gate_.check_flush());
  const int64_t begin_ms = now_ms();
  const auto used_up = [&] { return budget_us > 0 && (now_ms() - begin_ms) * 1000 >= budget_us; };
  const bool goes_on = std::exchange(more_, false);

  evict_many();
  // A checkpoint folds what is durable. Not again where the step before had no time left for it.
  const bool sync_for_checkpoint = checkpoint_.look() && !goes_on;
  Flushed flushed = flush(begin_ms, sync_for_checkpoint);
  // A checkpoint gives segments back. The log's part of the reserve stays: with it whatever was acknowledged goes into
  // the log at the next close or open, and runs can be erased.
  if (flushed.no_space() && host_.make_room().ok()) {
    flushed = flush(begin_ms, sync_for_checkpoint);
  }
  Status status = flushed.flush;
  retry_ms_ = status.ok() ? 0 : begin_ms + kFlushRetryMs;
  preallocation_.note(flushed.prepared, begin_ms);

  const FunctionRef<bool()> budget(used_up);
  StepTime step{begin_ms, budget};
  for (Duty* duty : host_.duties) {
    keep_first(status, duty->run(step));
  }
  more_ = step.more;

  if (writer_.latched()) {
    gate_.latch();
  } else if (gate_.keeps_room() || (status.ok() && flushed.prepared.ok())) {
    keep_first(status, budget_.hold_reserve(gate_.keeps_room() ? 0 : options_.segment_bytes + kReserveBytes));
  }
  if (gate_.keeps_room()) {
    keep_first(status, gate_.refuse(Code::kNoSpace));
    retry_ms_ = begin_ms + kFlushRetryMs;
  }
  listeners = listeners_.take_due(begin_ms);
  set_alarm();
  return status;
}

Stepper::Flushed Stepper::flush(int64_t now_ms, bool sync_for_checkpoint) {
  Flushed done;
  done.flush = host_.leave_staging();
  done.prepared = preallocation_.prepare_log(now_ms);
  const bool refused = gate_.code() == Code::kNoSpace;
  const bool unsynced = sync_for_checkpoint && writer_.durable_lsn() < writer_.written_lsn();
  if (done.flush.ok() && (refused || unsynced || now_ms - flushed_ms_ >= options_.flush_interval_ms)) {
    done.flush = flusher_.flush(true);
    if (done.flush.ok()) {
      flushed_ms_ = now_ms;
      idle_note_.flushed(now_ms);
    }
  }
  if (done.flush.ok() && done.prepared.ok()) {
    done.prepared = preallocation_.prepare_staging(now_ms);
  }
  return done;
}

// Runs that were only looked at are not in the log, so no checkpoint comes for them. Of those that are, many small ones
// may be in memory before the log has grown: runs that came in from other stores, and that nobody holds.
void Stepper::evict_many() {
  const std::shared_ptr<Tables> tables = runs_.eviction_due() ? runs_.tables() : nullptr;
  if (tables != nullptr) {
    runs_.evict(tables->applied_lsn());
  }
}

int64_t Stepper::flush_due_ms() const {
  if (retry_ms_ != 0) {
    return retry_ms_;  // what failed is not due at once again
  }
  const bool dirty = writer_.durable_lsn() < writer_.written_lsn() || dirty_.count() != 0;
  return dirty ? flushed_ms_ + options_.flush_interval_ms : kNever;
}

int64_t Stepper::other_due_ms() const {
  const int64_t now = now_ms();
  if (more_) {
    return now;
  }
  int64_t due = std::min(runs_.eviction_due() ? now : now + kNothingDueMs, preallocation_.due_ms());
  for (const Duty* duty : host_.duties) {
    due = std::min(due, duty->due_ms());
  }
  return due;
}

int64_t Stepper::next_deadline() {
  const MutexLock guard(mutex_);
  return std::min({other_due_ms(), flush_due_ms(), listeners_.due_ms()});
}

void Stepper::set_alarm() {
  const auto other = [this] {
    mutex_.assert_held();
    return other_due_ms();
  };
  const auto flush = [this] {
    mutex_.assert_held();
    return flush_due_ms();
  };
  alarm_.set(
      other, flush, [this] { return listeners_.due_ms(); }, checkpoint_.has_failed());
}

void Stepper::rearm() {
  const MutexLock guard(mutex_);
  set_alarm();
}

int Stepper::wait_fd() {
  const MutexLock guard(mutex_);
  if (alarm_.open()) {
    set_alarm();
  }
  return alarm_.fd();
}

void Stepper::out_of_memory() {
  const MutexLock guard(mutex_);
  retry_ms_ = now_ms() + kFlushRetryMs;
  set_alarm();
}

Status Stepper::keep_room() {
  const MutexLock guard(mutex_);
  return budget_.hold_reserve(options_.segment_bytes + kReserveBytes);
}

}  // namespace cairn::engine
