// A run in memory: its record, its hot document with the pending diff, its place in staging.
//
// Invariants (under the run's lock):
// - `sequence` only grows; the pending diff goes from pending().base to it;
// - what is pending stands, whole, in the newest buffer of the slot: a run with something pending has a slot;
// - at most one detached diff, and its record is the run's next in the log;
// - a run with something pending or detached is in the store's dirty list.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/diff/live_document.h"
#include "engine/records/run_record.h"
#include "engine/staging/staged_slot.h"
#include "engine/store/run_lock.h"

namespace cairn::engine {

/// A sealed diff on its way into the log. Its slots are freed only after its record was written.
struct Detached {
  std::string payload;  // of the log record
  uint64_t last = 0;    // sequence
  std::vector<Slot> slots;
  // Guarded by the append mutex.
  bool written = false;
  uint64_t lsn = 0;
};

struct Run : std::enable_shared_from_this<Run> {
  const std::string id;
  const uint64_t number;  // locks of several runs are taken in this order

  std::atomic<uint64_t> version{0};  // == sequence; written under the lock, read by anyone

  RunLock lock{number};
  Code gate CAIRN_GUARDED_BY(lock) = Code::kOk;  // kFinished, kErased, kClosed: no update is accepted
  uint64_t sequence CAIRN_GUARDED_BY(lock) = 0;
  int64_t updated_us CAIRN_GUARDED_BY(lock) = 0;
  LiveDocument live CAIRN_GUARDED_BY(lock);
  StagedSlot staged CAIRN_GUARDED_BY(lock);
  std::vector<Slot> kept_slots
      CAIRN_GUARDED_BY(lock);  // outgrown by the pending diff; freed with the slot after the seal
  std::shared_ptr<Detached> detached CAIRN_GUARDED_BY(lock);
  uint32_t payload_hint_bytes CAIRN_GUARDED_BY(lock) = 0;  // of the last sealed diff: the next one is likely as large
  uint64_t last_lsn CAIRN_GUARDED_BY(lock) = 0;            // highest LSN that carries something of this run
  Diff outbox_since
      CAIRN_GUARDED_BY(lock);  // of a run owned elsewhere: of what waits, what came since a batch took some
  uint64_t seen_life CAIRN_GUARDED_BY(lock) = 0;  // of the upstream's state that was taken last
  uint64_t seen_version CAIRN_GUARDED_BY(lock) = 0;
  std::optional<std::array<uint8_t, 16>> named_owner
      CAIRN_GUARDED_BY(lock);               // of a run owned elsewhere: as the upstream said; zero: its own
  RunRecord record CAIRN_GUARDED_BY(lock);  // all but sequence, updated_us and document, which stand above

  // Guarded by the store's dirty mutex.
  int32_t dirty_index = -1;
  // Guarded by the mutex of the changed runs.
  std::shared_ptr<Run> next_changed;
  bool is_changed = false;

  Run(std::string run_id, uint64_t run_number) : id(std::move(run_id)), number(run_number) {}
};

/// Keeps a run in memory while it is held.
using RunRef = std::shared_ptr<Run>;

/// For code that is only called with the run's lock held where the compiler cannot see that: the locks of several runs
/// (RunLocks), a function that was given as an argument. Null: there is no run.
inline void assert_locked(const Run* run) CAIRN_ASSERT_CAPABILITY(run->lock) {
  if (run != nullptr) {
    run->lock.assert_held();
  }
}

}  // namespace cairn::engine
