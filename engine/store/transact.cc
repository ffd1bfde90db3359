// Transactions: several operations, all or none, also after any crash.
//
// One run: applied in memory, then one slot write (or one append) holds them all.
// Several runs: all locked in run-number order, what is pending detached, results computed and checked, then the runs'
// seals and one transaction record in one write. A run with one operation gets it in place and can take it back; one
// with several is computed on a copy, which becomes its state after the write.
#include <algorithm>
#include <numeric>
#include <span>

#include "engine/base/error_detail.h"
#include "engine/base/undo_unless_done.h"
#include "engine/store/run_locks.h"
#include "engine/store/run_writer.h"

namespace cairn::engine {

// Applies operations to `live`; counts those that changed something. A transaction has one limit check, on the result.
Status RunWriter::apply_all(LiveDocument& live, const std::vector<RunOperation>& operations, const uint32_t* which,
                            size_t count, uint64_t& changes, size_t* failed, const TransactOptions& how) const {
  if (how.in_turn != nullptr) {
    *how.in_turn = InTurn();
  }
  for (size_t i = 0; i < count; ++i) {
    const Operation& op = operations[which[i]].op;
    Outcome outcome;
    SizeDetail size;
    int entry = -1;
    // Only the result counts: an operation in the middle may exceed the limit, but not what a record can hold.
    const bool is_result = count == 1 || how.in_turn != nullptr;
    const size_t limit = is_result ? options_.metadata_bytes_max : wal::record_bytes_max(options_.segment_bytes);
    const Status s =
        count == 1 ? live.apply_undoable(op, limit, outcome, size, entry) : live.apply(op, limit, outcome, size, entry);
    if (how.unapplied != nullptr) {
      how.unapplied->at(which[i]) = outcome.kind == OutcomeKind::kUnapplied ? outcome.reason : Reason::kNone;
    }
    if (s.ok() && how.in_turn != nullptr) {
      how.in_turn->outcomes.push_back(outcome);
    }
    if (s.ok() && outcome.kind == OutcomeKind::kUnapplied && (how.skip_unapplied || how.in_turn != nullptr)) {
      continue;
    }
    if (!s.ok() && how.in_turn != nullptr) {
      how.in_turn->failed =
          s.code == Code::kTooLarge ? fail_too_large(op.key, size.needed, size.limit) : fail(s, s.what, op.key);
      how.in_turn->detail = error_detail();
      return {};
    }
    if (!s.ok() || outcome.kind == OutcomeKind::kUnapplied) {
      if (failed != nullptr) {
        *failed = which[i];
      }
      if (s.code == Code::kTooLarge) {
        return fail_too_large(op.key, size.needed, size.limit);
      }
      return s.ok() ? fail_unapplied(op.key, outcome.reason) : fail(s, s.what, op.key);
    }
    changes += outcome.kind == OutcomeKind::kApplied ? 1 : 0;
  }
  if (count == 1 || how.in_turn != nullptr) {
    return {};
  }
  if (const size_t bytes = live.document().exact_bytes(); bytes > options_.metadata_bytes_max) {
    return fail_too_large(operations[which[0]].run->id, bytes, options_.metadata_bytes_max);
  }
  return {};
}

// Of one operation nothing needs to be copied.
Status RunWriter::transact_operation(Run& run, const Operation& op, uint64_t* lsn, size_t* failed) {
  Outcome outcome;
  const Status applied = apply_locked(run, op, outcome, false, lsn);
  if (applied.code == Code::kUnchanged) {
    return {};
  }
  if (!applied.ok() && failed != nullptr) {
    *failed = 0;
  }
  return applied;
}

// False: it does not fit any free slot, and the run is as it was.
Result<bool> RunWriter::transact_staged(Run& run, const std::vector<RunOperation>& operations,
                                        const std::vector<uint32_t>& all, size_t* failed, const TransactOptions& how) {
  if (run.live.pending().empty()) {
    run_log_->mark_dirty(run);  // first: it needs memory
  }
  LiveDocument before = run.live;
  UndoUnlessDone take_back([&, updated_before = run.updated_us, sequence_before = run.sequence] {
    run.lock.assert_held();
    run.live = std::move(before);
    run.sequence = sequence_before;
    run.updated_us = updated_before;
    if (run.live.pending().empty() && !run.detached) {
      dirty_->remove(run);
    }
  });
  uint64_t changes = 0;
  CAIRN_TRY(apply_all(run.live, operations, all.data(), all.size(), changes, failed, how));
  if (changes == 0) {
    return true;
  }
  run.sequence += changes;
  run.updated_us = now_us();
  if (!stage(run, -1)) {
    return false;
  }
  run.version.store(run.sequence, std::memory_order_release);
  take_back.done();
  return true;
}

Status RunWriter::transact_one(Run& run, const std::vector<RunOperation>& operations, bool power, uint64_t* lsn,
                               size_t* failed, const TransactOptions& how) {
  Attachments with{nullptr, how.notes};
  const auto complete = [&how, &with] {
    if (how.complete_notes && !with.notes.empty()) {
      how.complete_notes(with.notes);
    }
  };
  if (run.record.foreign) {
    if (how.in_turn != nullptr) {
      *how.in_turn = InTurn{std::vector<Outcome>(operations.size()), {}, {}};
    }
    complete();
    const Status s = append_foreign(run, operations, lsn, failed, &with);
    return s.worked() ? Status() : s;
  }
  // A finished run has nothing in staging, and gets nothing there.
  const bool stages = !power && run_log_->stages() && how.notes.empty() && run.gate != Code::kFinished;
  std::vector<uint32_t> all(operations.size());
  std::iota(all.begin(), all.end(), 0);
  if (stages && operations.size() == 1 && !how.skip_unapplied && how.in_turn == nullptr) {
    return transact_operation(run, operations.front().op, lsn, failed);
  }
  if (stages) {
    const auto staged = transact_staged(run, operations, all, failed, how);
    if (!staged.ok() || *staged) {
      return staged.status();
    }
  }
  uint64_t changes = 0;
  CAIRN_TRY(run_log_->detach_pending(run));
  LiveDocument after = run.live;
  CAIRN_TRY(apply_all(after, operations, all.data(), all.size(), changes, failed, how));
  complete();
  if (changes == 0) {
    return run_log_->append_for(run, {}, lsn, &with);  // see append_nothing
  }
  const int64_t updated = now_us();
  std::string payload;
  append_diff_prefix(payload, run.id, run.record.created_lsn);
  after.append_pending(payload, run.sequence + changes, updated);
  if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large({}, payload.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  CAIRN_TRY(run_log_->append_for(run, {{LogType::kDiff, std::move(payload)}}, lsn, &with));
  run.sequence += changes;
  run.updated_us = updated;
  run.live = std::move(after);
  run.live.clear_pending(run.sequence);
  run.version.store(run.sequence, std::memory_order_release);
  dirty_->remove(run);
  return {};
}

// Several runs: first what each of them becomes, then one record in the log, then they are that.
class RunWriter::SeveralRuns {
 public:
  /// The runs are locked, in the order of their numbers.
  SeveralRuns(RunWriter& writer, const std::vector<Run*>& runs, const std::vector<RunOperation>& operations,
              const TransactOptions& how)
      : writer_(writer),
        runs_(runs),
        operations_(operations),
        how_(how),
        updated_us_(writer.now_us()),
        after_(runs.size()) {}
  SeveralRuns(const SeveralRuns&) = delete;
  SeveralRuns& operator=(const SeveralRuns&) = delete;
  /// Takes back what was done in place, unless the record is in the log.
  ~SeveralRuns();

  Status plan(size_t* failed);
  Status append(uint64_t* lsn);

 private:
  static constexpr size_t kDiffBytesUsual = 100;  // of one number: more take another allocation

  struct After {
    LiveDocument live;  // of a run with several operations; one with a single operation has it applied in place
    Diff outbox;        // of a run owned elsewhere, instead of a document
    Diff since;         // and what came to it since a batch took some
    uint64_t changes = 0;
    bool in_place = false;
  };

  Status plan_own(Run& run, std::span<const uint32_t> which, After& after, size_t* failed) CAIRN_REQUIRES(run.lock);
  Status plan_foreign(Run& run, After& after, size_t* failed) CAIRN_REQUIRES(run.lock);
  /// Its diff follows.
  std::string& add_diff(const Run& run) CAIRN_REQUIRES(run.lock);
  Status append_nothing(uint64_t* lsn);
  void become(Run& run, After& after) noexcept CAIRN_REQUIRES(run.lock);

  RunWriter& writer_;
  const std::vector<Run*>& runs_;
  const std::vector<RunOperation>& operations_;
  const TransactOptions& how_;
  const int64_t updated_us_;
  std::vector<After> after_;
  std::vector<std::string> diffs_;  // of the runs that change
  bool logged_ = false;
};

RunWriter::SeveralRuns::~SeveralRuns() {
  for (size_t i = 0; !logged_ && i < runs_.size(); ++i) {
    if (after_[i].in_place) {
      Run& run = *runs_[i];
      run.lock.assert_held();
      run.live.undo();
    }
  }
}

Status RunWriter::SeveralRuns::plan(size_t* failed) {
  // The operations of each run together, in their order.
  std::vector<uint32_t> order(operations_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const uint64_t of_a = operations_[a].run->number;
    const uint64_t of_b = operations_[b].run->number;
    return of_a != of_b ? of_a < of_b : a < b;
  });
  diffs_.reserve(runs_.size());
  size_t next = 0;
  for (size_t i = 0; i < runs_.size(); ++i) {
    Run& run = *runs_[i];
    run.lock.assert_held();
    const size_t first = next;
    while (next < order.size() && operations_[order[next]].run == &run) {
      ++next;
    }
    CAIRN_TRY(run.record.foreign ? plan_foreign(run, after_[i], failed)
                                 : plan_own(run, {order.data() + first, next - first}, after_[i], failed));
  }
  return {};
}

std::string& RunWriter::SeveralRuns::add_diff(const Run& run) {
  std::string& bytes = diffs_.emplace_back();
  bytes.reserve(kDiffBytesUsual + run.id.size());
  append_diff_prefix(bytes, run.id, run.record.created_lsn);
  return bytes;
}

Status RunWriter::SeveralRuns::plan_foreign(Run& run, After& after, size_t* failed) {
  Diff added;
  CAIRN_TRY(writer_.foreign_outbox_->fold(run, operations_, added, after.outbox, failed));
  after.changes = added.last - added.base;
  added.updated_us = after.outbox.updated_us = updated_us_;
  after.since = writer_.foreign_outbox_->since_with(run, added);
  std::string& bytes = add_diff(run);
  append_diff(bytes, added);
  return {};
}

Status RunWriter::SeveralRuns::plan_own(Run& run, std::span<const uint32_t> which, After& after, size_t* failed) {
  CAIRN_TRY(writer_.run_log_->detach_pending(run));
  const bool in_place = which.size() == 1;
  if (!in_place) {
    after.live = run.live;
  }
  LiveDocument& live = in_place ? run.live : after.live;
  CAIRN_TRY(writer_.apply_all(live, operations_, which.data(), which.size(), after.changes, failed, how_));
  if (after.changes == 0) {
    return {};
  }
  after.in_place = in_place;
  std::string& bytes = add_diff(run);
  live.append_pending(bytes, run.sequence + after.changes, updated_us_);
  return {};
}

// Nothing changed, but the caller relies on earlier updates: those are in the log before it is answered.
Status RunWriter::SeveralRuns::append_nothing(uint64_t* lsn) {
  for (Run* run : runs_) {
    run->lock.assert_held();
    uint64_t last = 0;
    CAIRN_TRY(writer_.run_log_->append_for(*run, {}, &last));
    *lsn = std::max(*lsn, last);
  }
  return how_.notes.empty() ? Status() : writer_.run_log_->append_notes(how_.notes, *lsn);
}

Status RunWriter::SeveralRuns::append(uint64_t* lsn) {
  if (diffs_.empty()) {
    return append_nothing(lsn);
  }
  std::string payload;
  append_transaction(payload, diffs_);
  if (payload.size() > wal::record_bytes_max(writer_.options_.segment_bytes)) {
    return fail_too_large({}, payload.size(), wal::record_bytes_max(writer_.options_.segment_bytes));
  }
  CAIRN_TRY(writer_.run_log_->append_for_all(runs_, LogType::kTransaction, payload, *lsn, how_.notes));
  logged_ = true;
  for (size_t i = 0; i < runs_.size(); ++i) {
    Run& run = *runs_[i];
    run.lock.assert_held();
    run.last_lsn = *lsn;
    become(run, after_[i]);
  }
  return {};
}

void RunWriter::SeveralRuns::become(Run& run, After& after) noexcept {
  if (after.changes > 0) {
    run.sequence += after.changes;
    run.updated_us = updated_us_;
    if (run.record.foreign) {
      ForeignOutbox::note(run, std::move(after.outbox), std::move(after.since));
    } else {
      if (!after.in_place) {
        run.live = std::move(after.live);
      }
      run.live.clear_pending(run.sequence);
    }
    run.version.store(run.sequence, std::memory_order_release);
  }
  writer_.dirty_->remove(run);
}

Status RunWriter::transact(const std::vector<RunOperation>& operations, Durability durability, size_t* failed,
                           const TransactOptions& how) {
  CAIRN_TRY(gate_.check_process());
  std::vector<Run*> runs;
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i].op;
    if (op.type != OperationType::kReplace) {
      if (const Status s = check_key(op.key); !s.ok()) {
        if (failed != nullptr) {
          *failed = i;
        }
        return fail(s, s.what, op.key.substr(0, 64));
      }
    }
    runs.push_back(operations[i].run);
  }
  if (runs.empty()) {
    return {};
  }
  const bool power = durability_->wants_power(durability);
  CAIRN_TRY(durability_->check(durability));
  std::vector<std::string> ids;
  if (durability_->class_of(durability) == Durability::kUpstream) {
    for (const Run* run : runs) {
      ids.push_back(run->id);
    }
  }
  uint64_t lsn = 0;
  {
    const RunLocks locks(std::move(runs));
    for (Run* run : locks.runs()) {
      run->lock.assert_held();
      const bool late =
          run->gate == Code::kFinished && how.late_us >= 0 && now_us() - run->record.finished_us <= how.late_us;
      CAIRN_TRY(late ? gate_.check() : check_gate(*run));
      if (late && run->record.origin.received() && !run->record.others_write) {
        CAIRN_TRY(note_other_writer(*run));
        run->gate = Code::kFinished;
      }
    }
    if (locks.runs().size() != 1 && (how.in_turn != nullptr || how.complete_notes)) {
      return fail(Code::kInvalidArgument, "operations in turn are those of one run");
    }
    if (locks.runs().size() == 1) {
      Run& run = *locks.runs()[0];
      run.lock.assert_held();
      CAIRN_TRY(transact_one(run, operations, power, &lsn, failed, how));
    } else {
      SeveralRuns several(*this, locks.runs(), operations, how);
      CAIRN_TRY(several.plan(failed));
      CAIRN_TRY(several.append(&lsn));
    }
  }
  ++transactions_;
  return power && lsn != 0 ? durability_->wait(durability, lsn, ids) : Status();
}

}  // namespace cairn::engine
