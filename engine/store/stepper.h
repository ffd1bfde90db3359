// The step: does what is due (flush, preallocation, and the duties), and says when the next is.
//
// What a step leaves because its budget is used up makes the next one due at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/base/hooks.h"
#include "engine/store/alarm.h"
#include "engine/store/disk_budget.h"
#include "engine/store/duty.h"
#include "engine/store/flusher.h"
#include "engine/store/idle_note.h"
#include "engine/store/preallocation.h"
#include "engine/store/step_listeners.h"
#include "engine/store/timed_checkpoint.h"
#include "wal/mutex.h"

namespace cairn::engine {

class Stepper {
 public:
  struct Options {
    uint32_t flush_interval_ms = 0;
    uint32_t segment_bytes = 0;
  };
  struct Host {
    std::function<Status()> leave_staging;  // if its files failed
    std::function<Status()> make_room;      // a checkpoint of all that the log holds
    std::vector<Duty*> duties;              // in the order in which a step runs them
  };
  /// `checkpoint` and `idle_note` are two of the duties.
  Stepper(Options options, const Hooks& hooks, Gate& gate, wal::Writer& writer, DirtyRuns& dirty, RunTable& runs,
          Flusher& flusher, DiskBudget& budget, Alarm& alarm, StepListeners& listeners, Preallocation& preallocation,
          TimedCheckpoint& checkpoint, IdleNote& idle_note, Host host);

  /// Stops between parts once `budget_us` is used up (0: no limit).
  Status step(int64_t budget_us);
  /// monotonic_ms at which the next step is due.
  int64_t next_deadline();
  /// A timer that becomes readable when a step is due. Below 0: there is none.
  int wait_fd();
  /// The timer goes by what is due now.
  void rearm();
  /// A step ended for want of memory: the next flush is not tried at once.
  void out_of_memory();
  /// Holds a part of the disk back where there is room.
  Status keep_room();
  /// One step at a time. Taken before all other locks of the store.
  [[nodiscard]] Mutex& mutex() CAIRN_RETURN_CAPABILITY(mutex_) { return mutex_; }

 private:
  /// What the part of a step that a full disk stops came to.
  struct Flushed {
    Status flush;
    Status prepared;  // without it updates and flushes go on, slower
    [[nodiscard]] bool no_space() const { return flush.code == Code::kNoSpace || prepared.code == Code::kNoSpace; }
  };

  Status step_locked(int64_t budget_us, std::vector<std::shared_ptr<StepListener>>& listeners) CAIRN_REQUIRES(mutex_);
  Flushed flush(int64_t now_ms, bool sync_for_checkpoint) CAIRN_REQUIRES(mutex_);
  void evict_many();
  [[nodiscard]] int64_t now_ms() const { return hooks_.monotonic_ms(hooks_.context); }
  [[nodiscard]] int64_t flush_due_ms() const CAIRN_REQUIRES(mutex_);
  [[nodiscard]] int64_t other_due_ms() const CAIRN_REQUIRES(mutex_);
  void set_alarm() CAIRN_REQUIRES(mutex_);

  const Options options_;
  const Hooks& hooks_;
  Gate& gate_;
  wal::Writer& writer_;
  DirtyRuns& dirty_;
  RunTable& runs_;
  Flusher& flusher_;
  DiskBudget& budget_;
  Alarm& alarm_;
  StepListeners& listeners_;
  Preallocation& preallocation_;
  TimedCheckpoint& checkpoint_;
  IdleNote& idle_note_;
  const Host host_;

  Mutex mutex_{LockRank::kStep};                     // guards what the duties hold, too
  int64_t flushed_ms_ CAIRN_GUARDED_BY(mutex_) = 0;  // when the last flush of a step worked
  int64_t retry_ms_ CAIRN_GUARDED_BY(mutex_) = 0;    // a flush that failed is tried again; 0: it did not fail
  bool more_ CAIRN_GUARDED_BY(mutex_) = false;       // a step stopped before all that was due was done
};

}  // namespace cairn::engine
