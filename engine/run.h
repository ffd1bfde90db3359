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

#include "engine/live_document.h"
#include "engine/run_lock.h"
#include "engine/run_record.h"
#include "engine/staged_slot.h"

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

  RunLock lock;
  // Guarded by lock.
  Code gate = Code::kOk;  // kFinished, kErased, kClosed: no update is accepted
  uint64_t sequence = 0;
  int64_t updated_us = 0;
  LiveDocument live;
  StagedSlot staged;
  std::vector<Slot> kept_slots;  // outgrown by the pending diff; freed with the slot after the seal
  std::shared_ptr<Detached> detached;
  uint32_t payload_hint_bytes = 0;  // of the last sealed diff: the next one is likely as large
  uint64_t last_lsn = 0;            // highest LSN that carries something of this run
  Diff outbox_since;                // of a run owned elsewhere: of what waits, what came since a batch took some
  uint64_t seen_life = 0;           // of the upstream's state that was taken last
  uint64_t seen_version = 0;
  std::optional<std::array<uint8_t, 16>> named_owner;  // of a run owned elsewhere: as the upstream said; zero: its own
  RunRecord record;                                    // all but sequence, updated_us and document, which stand above

  // Guarded by the store's dirty mutex.
  int32_t dirty_index = -1;

  Run(std::string run_id, uint64_t run_number) : id(std::move(run_id)), number(run_number) {}
};

}  // namespace cairn::engine
