// Updates of one run: all that the hot path (store_hot.cc) leaves to the general one.
#include <cassert>
#include <cerrno>

#include "engine/log_record.h"
#include "engine/path.h"
#include "engine/store.h"
#include "engine/undo_unless_done.h"

namespace cairn::engine {

namespace {

constexpr Status kForkedStatus(Code::kForked, "this process is a forked child of the store's owner");

// With the run's lock held.
[[gnu::cold]] Status refuse_run(const Run& run) {
  if (run.gate == Code::kFinished) {
    return fail(Code::kFinished, "the run is finished: it takes no more updates", run.id);
  }
  if (run.gate == Code::kErased) {
    return fail(Code::kErased, "the run was erased", run.id);
  }
  return fail(Status(run.gate), "the run takes no updates", run.id);
}

}  // namespace

// What a closed gate says.
Status Store::refuse(Code code) const {
  switch (code) {
    case Code::kClosed:
      return fail(Code::kClosed, "the store is closed");
    case Code::kNoSpace:
      if (reserve_owed_) {
        return fail(Code::kNoSpace,
                    "the disk is full, and the room that is left is kept for erasing and finishing runs: erase some, "
                    "or free some space");
      }
      return fail(Code::kNoSpace, "the last flush found no space: free some, then call step()");
    case Code::kLatched:
      return fail(Code::kLatched,
                  "writing or syncing the log failed: nothing is acknowledged until the store is opened again");
    default:
      return fail(Status(code), "the store takes no updates");
  }
}

// A closed store stays closed.
void Store::latch_gate() {
  int32_t gate = gate_.load();
  while (gate != static_cast<int32_t>(Code::kClosed) &&
         !gate_.compare_exchange_weak(gate, static_cast<int32_t>(Code::kLatched))) {
  }
}

// With the run's lock held, before an update. `gives_back`: a full disk does not refuse it.
Status Store::check_gate(Run& run, bool gives_back) {
  const Code gate = this->gate();
  if (gate != Code::kOk && !(gives_back && gate == Code::kNoSpace)) [[unlikely]] {
    return refuse(gate);
  }
  if (run.gate == Code::kAccepted) [[unlikely]] {
    return note_other_writer(run);
  }
  if (run.gate != Code::kOk) [[unlikely]] {
    return refuse_run(run);
  }
  return {};
}

// A run that came from elsewhere has a gate of its own until something of this store changes it.
Code Store::gate_of(const RunRecord& record) {
  if (is_final(record.status)) {
    return Code::kFinished;
  }
  return record.origin.received() && !record.others_write ? Code::kAccepted : Code::kOk;
}

// The slot holds the pending diff, whole, after this. False: it does not fit any free slot, and the newest buffer still
// holds the diff before `entry` changed.
bool Store::stage(Run& run, int entry) {
  const StagingSeam& seam = staging_->seam();
  const auto updated = static_cast<uint64_t>(run.updated_us);
  uint32_t wanted = run.payload_hint_bytes;
  if (run.staged.has_slot()) {
    if (run.staged.write(run.live, entry, run.sequence, updated, seam)) {
      return true;
    }
    wanted = 0;
  }
  const size_t bytes = StagedSlot::whole_bytes(run.live);
  if (bytes > staging::payload_bytes_max(staging::kClasses - 1)) {
    return false;
  }
  Slot slot;
  if (!staging_->take(std::max(static_cast<uint32_t>(bytes), wanted), run.id, run.record.created_lsn, slot) &&
      !staging_->take(static_cast<uint32_t>(bytes), run.id, run.record.created_lsn, slot)) {
    return false;
  }
  UndoUnlessDone give_back([&] { staging_->give_back(slot); });
  StagedSlot larger;
  (void)larger.replace_slot(slot);
  run.kept_slots.reserve(run.kept_slots.size() + 1);
  if (!larger.write(run.live, -1, run.sequence, updated, seam)) {
    assert(false);
    return false;
  }
  if (run.staged.has_slot()) {
    run.kept_slots.push_back(
        run.staged.slot());  // freed after the seal, so that a scanning reader finds one of the two
  }
  run.staged = std::move(larger);
  give_back.done();
  return true;
}

Status Store::apply_locked(Run& run, const Operation& op, Outcome& outcome, bool direct, uint64_t* lsn) {
  if (direct || !stages()) {
    return append_direct(run, op, outcome, lsn);
  }
  if (run.live.pending().empty()) {
    mark_dirty(run);  // first: it needs memory
  }
  UndoUnlessDone unmark([&] {
    if (run.live.pending().empty() && !run.detached) {
      mark_clean(run);
    }
  });
  SizeDetail size;
  int entry = -1;
  if (const Status s = run.live.apply_undoable(op, options_.metadata_bytes_max, outcome, size, entry); !s.ok()) {
    return s.code == Code::kTooLarge ? fail_too_large(op.key, size.needed, size.limit) : fail(s, s.what, op.key);
  }
  if (outcome.kind != OutcomeKind::kApplied) {
    return outcome.kind == OutcomeKind::kUnchanged ? Status(Code::kUnchanged) : fail_unapplied(op.key, outcome.reason);
  }
  {
    UndoUnlessDone take_back([&run, updated_before = run.updated_us] {
      run.live.undo();
      --run.sequence;
      run.updated_us = updated_before;
    });
    run.updated_us = now_us();
    ++run.sequence;
    if (stage(run, entry)) {
      run.version.store(run.sequence, std::memory_order_release);
      take_back.done();
      unmark.done();
      return {};
    }
  }
  return append_direct(run, op, outcome, lsn);
}

// Beyond staging: what is staged is detached, and the operation's own diff is appended behind it, under the run's lock,
// in one write.
Status Store::append_direct(Run& run, const Operation& op, Outcome& outcome, uint64_t* lsn) {
  if (!run.live.pending().empty()) {
    CAIRN_TRY(write_detached(run));
    detach(run);
  }
  SizeDetail size;
  int entry = -1;
  if (const Status s = run.live.apply_undoable(op, options_.metadata_bytes_max, outcome, size, entry); !s.ok()) {
    return s.code == Code::kTooLarge ? fail_too_large(op.key, size.needed, size.limit) : fail(s, s.what, op.key);
  }
  if (outcome.kind != OutcomeKind::kApplied) {
    return outcome.kind == OutcomeKind::kUnchanged ? Status(Code::kUnchanged) : fail_unapplied(op.key, outcome.reason);
  }
  UndoUnlessDone take_back([&run, updated_before = run.updated_us] {
    run.live.undo();
    --run.sequence;
    run.updated_us = updated_before;
  });
  run.updated_us = now_us();
  ++run.sequence;
  std::string payload;
  append_diff_prefix(payload, run.id, run.record.created_lsn);
  run.live.append_pending(payload, run.sequence, run.updated_us);
  if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large(op.key, payload.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  CAIRN_TRY(append_for(run, {{LogType::kDiff, std::move(payload)}}, lsn));
  take_back.done();
  run.live.clear_pending(run.sequence);
  run.version.store(run.sequence, std::memory_order_release);
  mark_clean(run);
  overflow_appends_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Status Store::synced(uint64_t lsn) {
  const Status s = writer_->sync(lsn);
  if (s.ok()) {
    return s;
  }
  if (!writer_->latched()) {
    return fail(s,
                "the log could not be synced for want of space: what was written is in the log, and not yet durable");
  }
  latch_gate();
  if (s.code == Code::kIo && s.cause == ENOENT) {
    return fail(s, options_.directory +
                       " was removed while the store is open: nothing that is written now survives; "
                       "close it, and make or restore a store");
  }
  return fail(s,
              s.code == Code::kIndeterminate
                  ? "the sync that covers this call failed: it may or may not survive a power cut; open the store again"
                  : "writing or syncing the log failed: nothing is acknowledged until the store is opened again");
}

Status Store::apply(Run& run, const Operation& op, Outcome& outcome, Durability durability, uint64_t* epoch) {
  if (forked()) [[unlikely]] {
    return kForkedStatus;
  }
  if (op.type != OperationType::kReplace) {
    if (const Status s = check_key(op.key); !s.ok()) {
      return fail(s, s.what, op.key.substr(0, 64));
    }
  }
  const bool power = wants_power(durability);
  if (power) {
    CAIRN_TRY(can_promise(durability));
  }
  uint64_t lsn = 0;
  Status applied;
  {
    const std::lock_guard guard(run.lock);
    CAIRN_TRY(check_gate(run));
    applied = run.record.foreign ? append_foreign(run, {{&run, op}}, &lsn, nullptr)
                                 : apply_locked(run, op, outcome, power, &lsn);
    if (!applied.worked()) {
      return applied;
    }
    if (power && applied.code == Code::kUnchanged) {
      CAIRN_TRY(append_for(run, {}, &lsn));  // what it found must survive as if it had made it
    }
    if (epoch != nullptr) {
      *epoch = epoch_.load(std::memory_order_acquire);
    }
  }
  if (gate_.load(std::memory_order_relaxed) == kStagingFailed) [[unlikely]] {
    (void)leave_staging();  // this update is in the log; step() tries again for the others
  }
  if (power) {
    CAIRN_TRY(keep_promise(durability, lsn, std::span(&run.id, 1)));
  }
  return applied;
}

}  // namespace cairn::engine
