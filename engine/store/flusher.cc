#include "engine/store/flusher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/base/error_detail.h"

namespace cairn::engine {

namespace {

constexpr int64_t kLookMs = 250;  // a deadline is in the host's clock, which may not go with the machine's

}  // namespace

// Whoever waits looks at the turn and at the durable epoch with mutex_ held. An epoch becomes durable before its turn
// ends, and a turn ends with mutex_ held: so each who waits for either sees it, or is woken here.
void Flusher::end_turn() {
  const MutexLock guard(mutex_);
  under_way_ = false;
  turn_note_.unlocked();
  turn_ended_->notify_all();
}

Flusher::Turn Flusher::take_turn() { return std::move(*take_turn(kNoEpoch, -1)); }

// Waits for the turn, or until `epoch` is durable: then there is none.
Result<Flusher::Turn> Flusher::take_turn(uint64_t epoch, int64_t deadline_ms) {
  turn_note_.check_order();
  const MutexLock lock(mutex_);
  while (!is_durable(epoch)) {
    const int64_t left_ms = deadline_ms < 0 ? 0 : deadline_ms - hooks_.monotonic_ms(hooks_.context);
    if (left_ms < 0) {
      return fail(Code::kTimeout, "the epoch is not durable yet, and nothing is lost: wait again, or go on");
    }
    if (!under_way_) {
      under_way_ = true;
      turn_note_.locked();
      return Turn(this);
    }
    if (deadline_ms < 0) {
      turn_ended_->wait(mutex_);
    } else {
      const std::chrono::milliseconds look(std::clamp<int64_t>(left_ms, 1, kLookMs));
      (void)turn_ended_->wait_until(mutex_, std::chrono::steady_clock::now() + look);
    }
  }
  return Turn();
}

Status Flusher::flush(bool sync) {
  const Turn turn = take_turn();
  return flush_if_open(sync);
}

// close() closes the gate and takes the turn before it gives the store's lock up: after that nothing may be appended.
Status Flusher::flush_if_open(bool sync) {
  CAIRN_TRY(gate_.check_flush());
  return flush_in_turn(sync);
}

// Updates that read this epoch wrote their slots before the run is locked in write_dirty(): they are in.
Status Flusher::flush_in_turn(bool sync) {
  const uint64_t epoch = epoch_.fetch_add(1, std::memory_order_acq_rel);
  const Status written = write_dirty();
  if (!written.ok()) {
    if (written.code == Code::kNoSpace) {
      gate_.no_space();
    } else if (written.code == Code::kLatched) {
      gate_.latch();
    }
    return written;
  }
  flushes_.fetch_add(1, std::memory_order_relaxed);
  if (sync) {
    CAIRN_TRY(log_.sync_all());
    durable_epoch_.store(epoch, std::memory_order_release);
    gate_.reopen();
  }
  return {};
}

Status Flusher::write_dirty() {
  RunLog::Batch batch;
  size_t batch_bytes = 0;
  for (const RunRef& run : dirty_.all()) {
    {
      const RunGuard guard(run->lock);
      CAIRN_TRY(log_.detach_pending(*run));
      if (run->detached) {
        batch_bytes += run->detached->payload.size() + 64;
        batch.emplace_back(run, run->detached);
      } else {
        dirty_.remove(*run);
      }
    }
    if (batch_bytes >= batch_bytes_max_) {
      CAIRN_TRY(log_.write_batch(batch));
      batch_bytes = 0;
    }
  }
  return batch.empty() ? Status() : log_.write_batch(batch);
}

Status Flusher::barrier() {
  CAIRN_TRY(gate_.check_process());
  CAIRN_TRY(gate_.check_flush());
  const auto turn = take_turn(epoch_.load(), -1);
  CAIRN_TRY(turn.status());
  return *turn != nullptr ? flush_if_open(true) : Status();
}

// Another thread's flush may stand in a sync for long: that is waited for as long as asked. One of this thread's own
// takes the time that its sync takes.
Status Flusher::wait_durable(uint64_t epoch, int64_t deadline_ms) {
  CAIRN_TRY(gate_.check_process());
  if (epoch > epoch_.load()) {
    return fail(Code::kInvalidArgument, "no update has that epoch yet");
  }
  const auto turn = take_turn(epoch, deadline_ms);
  CAIRN_TRY(turn.status());
  return *turn != nullptr ? flush_if_open(true) : Status();
}

// A page of staging was lost, and what stands in the files with it. All of it is in memory, too.
Status Flusher::leave_staging() {
  if (!gate_.staging_failed()) {
    return {};
  }
  CAIRN_TRY(flush(false));
  if (gate_.leave_staging()) {
    write_log(hooks_, LogLevel::kError, Code::kIo,
              "a staging file was truncated, or its disk failed: until the next open every update is written to the "
              "log");
  }
  return {};
}

}  // namespace cairn::engine
