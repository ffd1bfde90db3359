// Flush, barrier, and the step that does what is due.
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "engine/store.h"

namespace cairn::engine {

namespace {

constexpr int64_t kIdleMs = 1000;  // the log is idle after this long without an append
constexpr int64_t kRetryMs = 200;  // after a step that found no space
constexpr useconds_t kFlushPollUs = 200;
constexpr int64_t kSpareDivisor = 2;  // the spare segment is made once half a segment has been written

}  // namespace

// Writes the detached diffs, in one or few appends. Those that another caller wrote meanwhile are skipped.
Status Store::write_batch(std::vector<std::pair<RunRef, std::shared_ptr<Detached>>>& batch) {
  Status status;
  {
    wal::Writer::Append append(*writer_);
    std::vector<Detached*> added;
    for (const auto& entry : batch) {
      if (!entry.second->written) {
        append.add(static_cast<uint8_t>(LogType::kDiff), entry.second->payload);
        added.push_back(entry.second.get());
      }
    }
    if (!added.empty()) {
      auto committed = append.commit();
      if (committed.ok()) {
        uint64_t lsn = *committed - added.size();
        for (Detached* detached : added) {
          detached->lsn = ++lsn;
          detached->written = true;
        }
      } else {
        status = append_failed(committed.status());
      }
    }
  }
  for (const auto& entry : batch) {
    Run& run = *entry.first;
    const std::lock_guard guard(run.lock);
    if (status.ok() && run.detached == entry.second) {
      free_detached(run);
    }
    if (!run.detached && run.live.pending().empty()) {
      mark_clean(run);
    }
  }
  batch.clear();
  return status;
}

Status Store::flush(bool sync) {
  const std::lock_guard flush_guard(flush_mutex_);
  return flush_if_open(sync);
}

Status Store::flush_if_open(bool sync) {
  // close() sets the gate and takes flush_mutex_ before it gives the store's lock up: behind it nothing may be
  // appended.
  if (const auto gate = static_cast<Code>(gate_.load()); gate == Code::kLatched || gate == Code::kClosed) {
    return fail(gate, gate == Code::kClosed ? "the store is closed" : "a sync failed: open the store again");
  }
  return flush_locked(sync);
}

Status Store::flush_locked(bool sync) {
  // Updates that read this epoch wrote their slots before the run is locked below: they are in.
  const uint64_t epoch = epoch_.fetch_add(1, std::memory_order_acq_rel);
  std::vector<RunRef> dirty;
  {
    const std::lock_guard guard(dirty_mutex_);
    dirty = dirty_;
  }
  const size_t batch_bytes_max = options_.segment_bytes / 8;
  std::vector<std::pair<RunRef, std::shared_ptr<Detached>>> batch;
  size_t batch_bytes = 0;
  Status status;
  for (const RunRef& run : dirty) {
    {
      const std::lock_guard guard(run->lock);
      if (!run->live.pending().empty()) {
        if (run->detached) {
          status = write_detached(*run);
          if (!status.ok()) {
            break;
          }
        }
        detach(*run);
      }
      if (run->detached) {
        batch_bytes += run->detached->payload.size() + 64;
        batch.emplace_back(run, run->detached);
      } else {
        mark_clean(*run);
      }
    }
    if (batch_bytes >= batch_bytes_max) {
      status = write_batch(batch);
      batch_bytes = 0;
      if (!status.ok()) {
        break;
      }
    }
  }
  if (status.ok() && !batch.empty()) {
    status = write_batch(batch);
  }
  if (!status.ok()) {
    if (status.code == Code::kNoSpace) {
      int32_t open = static_cast<int32_t>(Code::kOk);
      gate_.compare_exchange_strong(open, static_cast<int32_t>(Code::kNoSpace));
    } else if (status.code == Code::kLatched) {
      latch_gate();
    }
    return status;
  }
  {
    const std::lock_guard guard(stats_mutex_);
    ++stats_.flushes;
  }
  if (sync) {
    CAIRN_TRY(synced(writer_->written_lsn()));
    uint64_t before = durable_epoch_.load(std::memory_order_relaxed);
    while (before < epoch && !durable_epoch_.compare_exchange_weak(before, epoch, std::memory_order_acq_rel)) {
    }
  }
  return {};
}

Status Store::barrier() {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  if (const auto gate = static_cast<Code>(gate_.load()); gate == Code::kLatched || gate == Code::kClosed) {
    return fail(gate, gate == Code::kClosed ? "the store is closed" : "a sync failed: open the store again");
  }
  return flush(true);
}

Status Store::wait_durable(uint64_t epoch, int64_t deadline_ms) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  if (epoch > epoch_.load()) {
    return fail(Code::kInvalidArgument, "no update has that epoch yet");
  }
  const auto durable = [&] { return durable_epoch_.load(std::memory_order_acquire) >= epoch; };
  while (!durable()) {
    // Another thread's flush may stand in a sync for long: that is waited for as long as asked. One of this thread's
    // own takes the time that its sync takes.
    std::unique_lock lock(flush_mutex_, std::defer_lock);
    while (deadline_ms >= 0 && !lock.owns_lock() && !durable()) {
      if (now_ms() > deadline_ms) {
        return fail(Code::kTimeout, "the epoch is not durable yet, and nothing is lost: wait again, or go on");
      }
      if (!lock.try_lock()) {
        usleep(kFlushPollUs);
      }
    }
    if (durable()) {
      break;
    }
    if (!lock.owns_lock()) {
      lock.lock();
    }
    CAIRN_TRY(flush_if_open(true));
  }
  return {};
}

// The part of a step that a full disk stops: room ahead for staging and log, and the flush.
Status Store::flush_due(int64_t now) {
  Status status;
  const auto keep_first = [&status](const Status& s) {
    if (status.ok() && !s.ok()) {
      status = s;
    }
  };
  keep_first(leave_staging());
  if (writer_->counters().bytes >= options_.segment_bytes / kSpareDivisor) {
    keep_first(writer_->prepare_spare());
  }
  const bool refused = static_cast<Code>(gate_.load()) == Code::kNoSpace;
  if (refused || now - last_flush_ms_ >= options_.flush_interval_ms) {
    const Status flushed = flush(true);
    keep_first(flushed);
    if (flushed.ok()) {
      last_flush_ms_ = now;
      int32_t closed = static_cast<int32_t>(Code::kNoSpace);
      gate_.compare_exchange_strong(closed, static_cast<int32_t>(Code::kOk));
    }
  }
  // Last, for without space in the log nothing is staged either.
  if (status.ok() && stages()) {
    keep_first(staging_->prepare());
  }
  return status;
}

Status Store::step(int64_t budget_us) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  const std::lock_guard guard(step_mutex_);
  const auto gate = static_cast<Code>(gate_.load());
  if (gate == Code::kClosed || gate == Code::kLatched) {
    return fail(gate, gate == Code::kClosed ? "the store is closed" : "a sync failed: open the store again");
  }
  const int64_t begin_ms = now_ms();
  const auto used_up = [&] { return budget_us > 0 && (now_ms() - begin_ms) * 1000 >= budget_us; };
  Status status = flush_due(begin_ms);
  const auto keep_first = [&status](const Status& s) {
    if (status.ok() && !s.ok()) {
      status = s;
    }
  };
  // A checkpoint gives segments back; the reserve goes if that was not enough.
  if (status.code == Code::kNoSpace && make_room().ok()) {
    status = flush_due(begin_ms);
  }
  if (status.code == Code::kNoSpace && reserve_->give_back()) {
    status = flush_due(begin_ms);
  }
  if (!crashed_marked_ && options_.mark_crashed && begin_ms - opened_ms_ >= options_.crash_grace_ms) {
    const Status marked = mark_crashed_runs();
    keep_first(marked);
    crashed_marked_ = marked.ok();
  }
  const auto counters = writer_->counters();
  if (!used_up() && counters.bytes - checkpoint_bytes_ >= options_.segment_bytes / 2) {
    const Status folded = checkpoint();
    keep_first(folded);
    if (folded.ok()) {
      checkpoint_bytes_ = counters.bytes;
    }
  }
  if (const uint64_t lsn = writer_->written_lsn(); lsn != last_append_lsn_) {
    last_append_lsn_ = lsn;
    last_append_ms_ = begin_ms;
    idle_noted_ = false;
  } else if (!idle_noted_ && begin_ms - last_append_ms_ >= kIdleMs) {
    const Status noted = writer_->note_idle();
    keep_first(noted);
    idle_noted_ = noted.ok();
  }
  if (writer_->latched()) {
    latch_gate();
  } else if (status.ok() && may_hold_reserve()) {
    keep_first(reserve_->prepare(options_.segment_bytes + kReserveBytes));
  }
  retry_ms_ = status.ok() ? 0 : begin_ms + kRetryMs;
  arm_timer();
  return status;
}

int64_t Store::deadline_locked() const {
  int64_t deadline = last_flush_ms_ + options_.flush_interval_ms;
  if (!crashed_marked_ && options_.mark_crashed) {
    deadline = std::min(deadline, opened_ms_ + options_.crash_grace_ms);
  }
  return retry_ms_ != 0 ? retry_ms_ : deadline;  // what failed is not due at once again
}

int64_t Store::next_deadline() {
  const std::lock_guard guard(step_mutex_);
  return deadline_locked();
}

int Store::wait_fd() {
  const std::lock_guard guard(step_mutex_);
  if (wait_fd_ < 0) {
    wait_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (wait_fd_ >= 0) {
      close_in_child(wait_fd_);
      arm_timer();
    }
  }
  return wait_fd_;
}

void Store::arm_timer() {
  if (wait_fd_ < 0) {
    return;
  }
  // The deadline is in the host's clock; the timer takes the distance to it.
  const int64_t wait_ms = std::max<int64_t>(1, deadline_locked() - now_ms());
  itimerspec spec{};
  spec.it_value.tv_sec = wait_ms / 1000;
  spec.it_value.tv_nsec = wait_ms % 1000 * 1'000'000;
  timerfd_settime(wait_fd_, 0, &spec, nullptr);
}

}  // namespace cairn::engine
