// The step: does what is due (flush, room ahead, crash marks, checkpoint, retention, idle note), and says when the next
// is.
//
// Nothing wakes an idle store: without something dirty or unsynced no flush is due, and what becomes dirty first sets
// the timer. What a step leaves because its budget is used up makes the next one due at once.
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "engine/store.h"
#include "wal/descriptor.h"

namespace cairn::engine {

namespace {

constexpr int64_t kIdleMs = 1000;  // the log is idle after this long without an append
constexpr int64_t kNothingDueMs = 3600'000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kBackoffFirstMs = 1000;
constexpr int64_t kBackoffMaxMs = 30'000;

/// The wait after a failure: twice the one before.
int64_t next_backoff(int64_t before) { return before == 0 ? kBackoffFirstMs : std::min(before * 2, kBackoffMaxMs); }

}  // namespace

/// What the part of a step that a full disk stops came to.
struct Store::Due {
  Status flush;
  Status ahead;  // room ahead: without it updates and flushes go on, slower
  [[nodiscard]] bool no_space() const { return flush.code == Code::kNoSpace || ahead.code == Code::kNoSpace; }
};

/// Half a segment: then a checkpoint and the next spare are due.
bool Store::log_has_grown() const {
  return writer_->counters().bytes - checkpoint_bytes_.load(std::memory_order_relaxed) >= options_.segment_bytes / 2;
}

/// A checkpoint that meets a full disk has the reserve and no more: where little is free, it comes before the log holds
/// more than that can take.
bool Store::too_much_for_full_disk() const {
  if (writer_->counters().bytes - checkpoint_bytes_.load(std::memory_order_relaxed) < kReserveBytes / 4) {
    return false;
  }
  const auto free = files_->free_bytes();
  return free.ok() && *free < 2 * (uint64_t{options_.segment_bytes} + kReserveBytes);
}

Store::Due Store::flush_due(int64_t now, bool sync_for_checkpoint) {
  Due due;
  due.flush = leave_staging();
  const bool ahead = now >= ahead_retry_ms_;
  if (ahead && writer_->counters().bytes >= options_.segment_bytes / 2) {
    due.ahead = writer_->prepare_spare();
  }
  const bool refused = static_cast<Code>(gate_.load()) == Code::kNoSpace;
  const bool unsynced = sync_for_checkpoint && writer_->durable_lsn() < writer_->written_lsn();
  if (due.flush.ok() && (refused || unsynced || now - last_flush_ms_ >= options_.flush_interval_ms)) {
    due.flush = flush(true);
    if (due.flush.ok()) {
      last_flush_ms_ = now;
    }
  }
  // Last, for without space in the log nothing is staged either.
  if (ahead && due.flush.ok() && due.ahead.ok() && stages()) {
    due.ahead = staging_->prepare();
  }
  return due;
}

Status Store::checkpoint_due(int64_t now) {
  if (now < checkpoint_retry_ms_) {
    return {};
  }
  const uint64_t bytes = writer_->counters().bytes;
  const Status folded = checkpoint();
  checkpoint_backoff_ms_ = folded.ok() ? 0 : next_backoff(checkpoint_backoff_ms_);
  checkpoint_retry_ms_ = folded.ok() ? 0 : now + checkpoint_backoff_ms_;
  if (folded.ok()) {
    checkpoint_bytes_ = bytes;
  }
  return folded;
}

Status Store::step(int64_t budget_us) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  std::vector<std::shared_ptr<StepListener>> listeners;
  Status status;
  {
    const std::lock_guard guard(step_mutex_);
    status = step_locked(budget_us, listeners);
  }
  run_listeners(listeners);
  return status;
}

Status Store::step_locked(int64_t budget_us, std::vector<std::shared_ptr<StepListener>>& listeners) {
  const auto gate = static_cast<Code>(gate_.load());
  if (gate == Code::kClosed || gate == Code::kLatched) {
    return fail(gate, gate == Code::kClosed ? "the store is closed" : "a sync failed: open the store again");
  }
  const int64_t begin_ms = now_ms();
  const auto used_up = [&] { return budget_us > 0 && (now_ms() - begin_ms) * 1000 >= budget_us; };
  const bool goes_on = more_;
  more_ = false;

  evict_many();
  const bool grown = log_has_grown() || many_wait_for_checkpoint() || too_much_for_full_disk();
  // A checkpoint folds what is durable. Not again where the step before had no time left for it.
  const bool sync_for_checkpoint = grown && !goes_on;
  Due due = flush_due(begin_ms, sync_for_checkpoint);
  // A checkpoint gives segments back. The log's part of the reserve stays: with it whatever was acknowledged goes into
  // the log at the next close or open, and runs can be erased.
  if (due.no_space() && make_room().ok()) {
    due = flush_due(begin_ms, sync_for_checkpoint);
  }
  Status status = due.flush;
  const auto keep_first = [&status](const Status& s) {
    if (status.ok() && !s.ok()) {
      status = s;
    }
  };
  retry_ms_ = status.ok() ? 0 : begin_ms + kStepRetryMs;
  if (!due.ahead.ok() && ahead_backoff_ms_ == 0) {
    log(LogLevel::kWarning, due.ahead.code,
        std::string("no room ahead for the log or for staging (") + due.ahead.what + "): updates go on, slower");
  }
  if (begin_ms >= ahead_retry_ms_) {
    ahead_backoff_ms_ = due.ahead.ok() ? 0 : next_backoff(ahead_backoff_ms_);
    ahead_retry_ms_ = due.ahead.ok() ? 0 : begin_ms + ahead_backoff_ms_;
  }

  if (!crashed_marked_ && options_.mark_crashed && begin_ms >= crash_marks_due_ms_) {
    const Status marked = used_up() ? Status() : mark_crashed_runs();
    keep_first(marked);
    if (marked.ok()) {
      more_ = more_ || !crashed_marked_;
    } else {
      crash_marks_due_ms_ = begin_ms + kBackoffMaxMs;
    }
  }
  if (grown) {
    if (used_up()) {
      more_ = true;
    } else {
      keep_first(checkpoint_due(begin_ms));
    }
  }
  if (begin_ms >= retain_deadline()) {
    keep_first(retain(begin_ms, used_up));
  }
  if (const uint64_t lsn = writer_->written_lsn(); lsn != last_append_lsn_) {
    last_append_lsn_ = lsn;
    last_append_ms_ = begin_ms;
    idle_noted_ = false;
  } else if (!idle_noted_ && begin_ms - last_append_ms_ >= kIdleMs) {
    const Status noted = writer_->note_idle();
    keep_first(noted);
    idle_noted_ = noted.ok();
    last_append_ms_ = begin_ms;
  }
  if (writer_->latched()) {
    latch_gate();
  } else if (reserve_owed_ || (status.ok() && due.ahead.ok())) {
    keep_first(hold_reserve(reserve_owed_ ? 0 : options_.segment_bytes + kReserveBytes));
  }
  if (reserve_owed_) {
    keep_first(refuse(Code::kNoSpace));
    retry_ms_ = begin_ms + kStepRetryMs;
  }
  listeners = listeners_due(begin_ms);
  arm_timer();
  return status;
}

// Runs that were only looked at are not in the log, so no checkpoint comes for them. Of those that are, many small ones
// may be in memory before the log has grown: runs that came in from other stores, and that nobody holds.
void Store::evict_many() {
  const std::shared_ptr<Tables> tables = eviction_due() ? this->tables() : nullptr;
  if (tables != nullptr) {
    evict(tables->applied_lsn());
  }
}

bool Store::eviction_due() const {
  const std::lock_guard guard(table_mutex_);
  return runs_.size() >= evict_at_;
}

bool Store::many_wait_for_checkpoint() const { return runs_only_in_log_ >= kOnlyInLogMax; }

int64_t Store::flush_deadline() {
  if (retry_ms_ != 0) {
    return retry_ms_;  // what failed is not due at once again
  }
  bool dirty = writer_->durable_lsn() < writer_->written_lsn();
  if (!dirty) {
    const std::lock_guard guard(dirty_mutex_);
    dirty = !dirty_.empty();
  }
  return dirty ? last_flush_ms_ + options_.flush_interval_ms : kNever;
}

int64_t Store::other_deadline() const {
  if (more_) {
    return now_ms();
  }
  int64_t deadline = now_ms() + kNothingDueMs;
  const auto due_at = [&deadline](int64_t at) { deadline = std::min(deadline, at); };
  if (eviction_due()) {
    due_at(now_ms());
  }
  if (log_has_grown() || many_wait_for_checkpoint()) {
    due_at(checkpoint_retry_ms_ != 0 ? checkpoint_retry_ms_ : now_ms());
  }
  if (ahead_retry_ms_ != 0) {
    due_at(ahead_retry_ms_);
  }
  if (!idle_noted_ || writer_->written_lsn() != last_append_lsn_) {
    due_at(std::max(last_append_ms_, last_flush_ms_) + kIdleMs);
  }
  if (!crashed_marked_ && options_.mark_crashed) {
    due_at(crash_marks_due_ms_);
  }
  due_at(retain_deadline());
  return deadline;
}

int64_t Store::next_deadline() {
  const std::lock_guard guard(step_mutex_);
  return std::min({other_deadline(), flush_deadline(), listeners_deadline()});
}

int Store::wait_fd() {
  const std::lock_guard guard(step_mutex_);
  if (wait_fd_ < 0) {
    wait_fd_ = wal::above_standard(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (wait_fd_ >= 0) {
      close_in_child(wait_fd_);
      arm_timer();
    }
  }
  return wait_fd_;
}

// `at` is in the host's clock; the timer takes the distance to it.
void Store::set_timer(int64_t at) const {
  const int64_t wait_ms = at - now_ms();
  itimerspec spec{};
  if (wait_ms > 0) {
    spec.it_value.tv_sec = wait_ms / 1000;
    spec.it_value.tv_nsec = wait_ms % 1000 * 1'000'000;
  } else {
    spec.it_value.tv_nsec = 1;  // at once; 0 would stop the timer
  }
  timerfd_settime(wait_fd_, 0, &spec, nullptr);
}

// The timer is set for all but a flush and the listeners before no_flush_due_ and no_listener_due_ are, and what is
// dirty is looked at after: whoever makes something dirty meanwhile is seen here, or sets the timer after this.
void Store::arm_timer() {
  if (wait_fd_ < 0) {
    return;
  }
  eviction_noted_ = false;
  growth_noted_ = checkpoint_retry_ms_ != 0;  // else each append would make a failed checkpoint due again
  const int64_t other = other_deadline();
  timer_ms_ = other;
  set_timer(other);
  no_flush_due_ = true;
  no_listener_due_ = true;
  const int64_t flush = flush_deadline();
  const int64_t listeners = listeners_deadline();
  if (flush != kNever || listeners != kNever) {
    no_flush_due_ = flush == kNever;
    no_listener_due_ = listeners == kNever;
    timer_ms_ = std::min({other, flush, listeners});
    set_timer(timer_ms_);
  }
  if (checkpoint_retry_ms_ == 0 && log_has_grown()) {
    set_timer(now_ms());
  }
}

// With a run's lock held, or after an append: whoever holds one is waited for before the descriptor is closed.
void Store::wake_for_flush() {
  if (wait_fd_.load(std::memory_order_relaxed) < 0) {
    return;
  }
  if (log_has_grown() && !growth_noted_.exchange(true)) {
    set_timer(now_ms());
  } else if (no_flush_due_.load(std::memory_order_relaxed) && no_flush_due_.exchange(false)) {
    no_listener_due_ = false;
    const uint32_t listen_ms = listen_ms_;
    const uint32_t wait_ms =
        listen_ms == 0 ? options_.flush_interval_ms : std::min(options_.flush_interval_ms, listen_ms);
    set_timer(std::min(timer_ms_.load(), now_ms() + wait_ms));
  } else if (no_listener_due_.load(std::memory_order_relaxed) && listen_ms_ != 0 && no_listener_due_.exchange(false)) {
    set_timer(std::min(timer_ms_.load(), now_ms() + listen_ms_));
  }
}

// As above, after `hot` runs were in memory.
void Store::wake_for_eviction(size_t hot) {
  if (wait_fd_.load(std::memory_order_relaxed) >= 0 && hot >= evict_at_ && !eviction_noted_.exchange(true)) {
    set_timer(now_ms());
  }
}

}  // namespace cairn::engine
