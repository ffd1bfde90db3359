// Updates of one run: all that the hot path (store/hot.cc) leaves to the general one.
#include <cassert>
#include <cerrno>

#include "engine/base/error_detail.h"
#include "engine/base/undo_unless_done.h"
#include "engine/document/path.h"
#include "engine/records/log_record.h"
#include "engine/store/run_writer.h"

namespace cairn::engine {

namespace {

[[gnu::cold]] Status refuse_run(const Run& run) CAIRN_REQUIRES(run.lock) {
  if (run.gate == Code::kFinished) {
    return fail(Code::kFinished, "the run is finished: it takes no more updates", run.id);
  }
  if (run.gate == Code::kErased) {
    return fail(Code::kErased, "the run was erased", run.id);
  }
  return fail(Status(run.gate), "the run takes no updates", run.id);
}

/// kOk: the operation was applied, can be undone, and changed pending entry `entry`. Else nothing changed, and the error
/// says why.
[[gnu::always_inline]] inline Status apply_or_say(LiveDocument& live, const Operation& op, size_t bytes_max,
                                                  Outcome& outcome, int& entry) {
  SizeDetail size;
  if (const Status s = live.apply_undoable(op, bytes_max, outcome, size, entry); !s.ok()) {
    return s.code == Code::kTooLarge ? fail_too_large(op.key, size.needed, size.limit) : fail(s, s.what, op.key);
  }
  if (outcome.kind != OutcomeKind::kApplied) {
    return outcome.kind == OutcomeKind::kUnchanged ? Status(Code::kUnchanged) : fail_unapplied(op.key, outcome.reason);
  }
  return {};
}

}  // namespace

void RunWriter::begin(const Options& options, Staging* staging, DirtyRuns& dirty, RunLog& log, Flusher& flusher,
                      const ForeignOutbox& outbox, DurabilityWait& durability, StatusCounts& counts) {
  options_ = options;
  staging_ = staging;
  dirty_ = &dirty;
  run_log_ = &log;
  flusher_ = &flusher;
  foreign_outbox_ = &outbox;
  durability_ = &durability;
  counts_ = &counts;
}

// With the run's lock held, before an update. `gives_back`: a full disk does not refuse it.
Status RunWriter::check_gate(Run& run, bool gives_back) {
  CAIRN_TRY(gate_.check(gives_back));
  if (run.gate == Code::kAccepted) [[unlikely]] {
    return note_other_writer(run);
  }
  if (run.gate != Code::kOk) [[unlikely]] {
    return refuse_run(run);
  }
  return {};
}

// The slot holds the pending diff, whole, after this. False: it does not fit any free slot, and the newest buffer still
// holds the diff before `entry` changed.
bool RunWriter::stage(Run& run, int entry) {
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

Status RunWriter::apply_locked(Run& run, const Operation& op, Outcome& outcome, bool direct, uint64_t* lsn) {
  if (direct || !run_log_->stages()) {
    return append_direct(run, op, outcome, lsn);
  }
  if (run.live.pending().empty()) {
    run_log_->mark_dirty(run);  // first: it needs memory
  }
  UndoUnlessDone unmark([&] {
    run.lock.assert_held();
    if (run.live.pending().empty() && !run.detached) {
      dirty_->remove(run);
    }
  });
  int entry = -1;
  if (const Status s = apply_or_say(run.live, op, options_.metadata_bytes_max, outcome, entry); s.code != Code::kOk) {
    return s;
  }
  {
    UndoUnlessDone take_back([&run, updated_before = run.updated_us] {
      run.lock.assert_held();
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

// Without staging: what is staged is detached, and the operation's own diff is appended after it, under the run's lock,
// in one write.
Status RunWriter::append_direct(Run& run, const Operation& op, Outcome& outcome, uint64_t* lsn) {
  CAIRN_TRY(run_log_->detach_pending(run));
  int entry = -1;
  if (const Status s = apply_or_say(run.live, op, options_.metadata_bytes_max, outcome, entry); s.code != Code::kOk) {
    return s;
  }
  UndoUnlessDone take_back([&run, updated_before = run.updated_us] {
    run.lock.assert_held();
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
  CAIRN_TRY(run_log_->append_for(run, {{LogType::kDiff, std::move(payload)}}, lsn));
  take_back.done();
  run.live.clear_pending(run.sequence);
  run.version.store(run.sequence, std::memory_order_release);
  dirty_->remove(run);
  overflow_appends_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Status RunWriter::apply(Run& run, const Operation& op, Outcome& outcome, Durability durability, uint64_t* epoch) {
  CAIRN_TRY(gate_.check_process());
  if (op.type != OperationType::kReplace) {
    if (const Status s = check_key(op.key); !s.ok()) {
      return fail(s, s.what, op.key.substr(0, 64));
    }
  }
  const bool power = durability_->wants_power(durability);
  if (power) {
    CAIRN_TRY(durability_->check(durability));
  }
  uint64_t lsn = 0;
  Status applied;
  {
    const RunGuard guard(run.lock);
    CAIRN_TRY(check_gate(run));
    applied = run.record.foreign ? append_foreign(run, {{&run, op}}, &lsn, nullptr)
                                 : apply_locked(run, op, outcome, power, &lsn);
    if (!applied.worked()) {
      return applied;
    }
    if (power && applied.code == Code::kUnchanged) {
      // Nothing changed, but the caller relies on earlier updates: those are made durable before it is answered.
      CAIRN_TRY(run_log_->append_for(run, {}, &lsn));
    }
    if (epoch != nullptr) {
      *epoch = epoch_.load(std::memory_order_acquire);
    }
  }
  if (gate_.staging_failed()) [[unlikely]] {
    (void)flusher_->leave_staging();  // this update is in the log; step() tries again for the others
  }
  if (power) {
    CAIRN_TRY(durability_->wait(durability, lsn, std::span(&run.id, 1)));
  }
  return applied;
}

// With the run's lock held: a change by this store of a run that another one owns. From now on that one sends forms.
Status RunWriter::note_other_writer(Run& run) {
  RunChange change;
  change.id = run.id;
  change.created_lsn = run.record.created_lsn;
  change.sequence = run.sequence + 1;
  change.updated_us = run.updated_us;
  std::string bytes;
  engine::append_change(bytes, change);
  std::string payload;
  append_received_head(payload, {});
  append_received_part(payload, {LogType::kChange, std::nullopt, true, 0, std::move(bytes)});
  CAIRN_TRY(run_log_->append_for(run, {{LogType::kReceived, std::move(payload)}}, nullptr));
  run.record.others_write = true;
  run.sequence = change.sequence;
  run.live.clear_pending(run.sequence);
  run.version.store(run.sequence, std::memory_order_release);
  run.gate = Code::kOk;
  return {};
}

}  // namespace cairn::engine
