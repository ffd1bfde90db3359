// Flush, barrier, and waiting for an epoch.
#include <unistd.h>

#include <algorithm>

#include "engine/store.h"

namespace cairn::engine {

namespace {

constexpr useconds_t kFlushPollUs = 200;

}  // namespace

// Writes the detached diffs, in one or few appends. Those that another caller wrote meanwhile are skipped.
Status Store::write_batch(std::vector<std::pair<RunRef, std::shared_ptr<Detached>>>& batch) {
  Status status;
  {
    wal::Writer::Append append(*writer_);
    std::vector<Detached*> added;
    for (const auto& entry : batch) {
      if (!entry.second->written) {
        add_record(append, LogType::kDiff, entry.second->payload);
        added.push_back(entry.second.get());
      }
    }
    if (!added.empty()) {
      auto committed = append.commit_split(added.size());  // all of them may be found: they stay detached
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
    if (!reserve_owed_) {
      int32_t no_space = static_cast<int32_t>(Code::kNoSpace);
      gate_.compare_exchange_strong(no_space, static_cast<int32_t>(Code::kOk));
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
  return flush_up_to(epoch_.load());
}

// A flush that began after an update returned covers it: of several who wait for the mutex, one flushes for all.
Status Store::flush_up_to(uint64_t epoch) {
  const std::lock_guard flush_guard(flush_mutex_);
  return durable_epoch_.load(std::memory_order_acquire) >= epoch ? Status() : flush_if_open(true);
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
    if (!durable()) {
      CAIRN_TRY(flush_if_open(true));
    }
  }
  return {};
}

}  // namespace cairn::engine
