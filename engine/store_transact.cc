// Transactions: several operations, all or none, also after any crash.
//
// One run: applied in memory, then one slot write (or one append) holds them all.
// Several runs: all locked in run-number order, what is pending detached, results computed and checked, then the runs'
// seals and one transaction record in one write. A run with one operation gets it in place and can take it back; one
// with several is computed on a copy, which becomes its state after the write.
#include <algorithm>
#include <numeric>

#include "engine/run_locks.h"
#include "engine/store.h"
#include "engine/undo_unless_done.h"

namespace cairn::engine {

// Applies operations to `live`; counts those that changed something. A transaction has one limit check, on the result.
Status Store::apply_all(LiveDocument& live, const std::vector<RunOperation>& operations, const uint32_t* which,
                        size_t count, uint64_t& changes, size_t* failed) const {
  for (size_t i = 0; i < count; ++i) {
    const Operation& op = operations[which[i]].op;
    Outcome outcome;
    SizeDetail size;
    int entry = -1;
    // Only the result counts: an operation in the middle may exceed the limit, but not what a record can hold.
    const size_t limit = count == 1 ? options_.metadata_bytes_max : wal::record_bytes_max(options_.segment_bytes);
    const Status s =
        count == 1 ? live.apply_undoable(op, limit, outcome, size, entry) : live.apply(op, limit, outcome, size, entry);
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
  if (count == 1) {
    return {};
  }
  if (const size_t bytes = live.document().exact_bytes(); bytes > options_.metadata_bytes_max) {
    return fail_too_large(operations[which[0]].run->id, bytes, options_.metadata_bytes_max);
  }
  return {};
}

// Of one operation nothing needs to be copied.
Status Store::transact_operation(Run& run, const Operation& op, uint64_t* lsn, size_t* failed) {
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

Status Store::transact_one(Run& run, const std::vector<RunOperation>& operations, bool power, uint64_t* lsn,
                           size_t* failed) {
  if (run.record.foreign) {
    const Status s = append_foreign(run, operations, lsn, failed);
    return s.worked() ? Status() : s;
  }
  uint64_t changes = 0;
  std::vector<uint32_t> all(operations.size());
  std::iota(all.begin(), all.end(), 0);
  if (!power && stages() && operations.size() == 1) {
    return transact_operation(run, operations.front().op, lsn, failed);
  }
  if (!power && stages()) {
    if (run.live.pending().empty()) {
      mark_dirty(run);  // first: it needs memory
    }
    LiveDocument before = run.live;
    UndoUnlessDone take_back([&, updated_before = run.updated_us, sequence_before = run.sequence] {
      run.live = std::move(before);
      run.sequence = sequence_before;
      run.updated_us = updated_before;
      if (run.live.pending().empty() && !run.detached) {
        mark_clean(run);
      }
    });
    if (const Status s = apply_all(run.live, operations, all.data(), all.size(), changes, failed); !s.ok()) {
      return s;
    }
    if (changes == 0) {
      return {};
    }
    run.sequence += changes;
    run.updated_us = now_us();
    if (stage(run, -1)) {
      run.version.store(run.sequence, std::memory_order_release);
      take_back.done();
      return {};
    }
  }
  changes = 0;
  if (!run.live.pending().empty()) {
    CAIRN_TRY(write_detached(run));
    detach(run);
  }
  LiveDocument after = run.live;
  CAIRN_TRY(apply_all(after, operations, all.data(), all.size(), changes, failed));
  if (changes == 0) {
    return append_for(run, {}, lsn);  // what it found must survive as if it had made it
  }
  const int64_t updated = now_us();
  std::string payload;
  append_diff_prefix(payload, run.id, run.record.created_lsn);
  after.append_pending(payload, run.sequence + changes, updated);
  if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large({}, payload.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  CAIRN_TRY(append_for(run, {{LogType::kDiff, std::move(payload)}}, lsn));
  run.sequence += changes;
  run.updated_us = updated;
  run.live = std::move(after);
  run.live.clear_pending(run.sequence);
  run.version.store(run.sequence, std::memory_order_release);
  mark_clean(run);
  return {};
}

Status Store::transact_several(const std::vector<Run*>& runs, const std::vector<RunOperation>& operations,
                               uint64_t* lsn, size_t* failed) {
  struct After {
    LiveDocument live;  // of a run with several operations; one with a single operation has it applied in place
    Diff outbox;        // of a run owned elsewhere, instead of a document
    Diff added;         // what came to it
    uint64_t changes = 0;
    bool in_place = false;
  };
  // The operations of each run together, in their order.
  std::vector<uint32_t> order(operations.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const uint64_t of_a = operations[a].run->number;
    const uint64_t of_b = operations[b].run->number;
    return of_a != of_b ? of_a < of_b : a < b;
  });
  std::vector<After> after(runs.size());
  UndoUnlessDone take_back([&] {
    for (size_t i = 0; i < runs.size(); ++i) {
      if (after[i].in_place) {
        runs[i]->live.undo();
      }
    }
  });
  std::vector<std::string> diffs;
  const int64_t updated = now_us();
  size_t next = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    Run& run = *runs[i];
    const size_t first = next;
    while (next < order.size() && operations[order[next]].run == &run) {
      ++next;
    }
    if (run.record.foreign) {
      Diff diff;
      CAIRN_TRY(fold_for_owner(run, operations, diff, after[i].outbox, failed));
      after[i].changes = diff.last - diff.base;
      diff.updated_us = after[i].outbox.updated_us = updated;
      std::string bytes;
      append_diff_prefix(bytes, run.id, run.record.created_lsn);
      append_diff(bytes, diff);
      diffs.push_back(std::move(bytes));
      after[i].added = std::move(diff);
      continue;
    }
    if (!run.live.pending().empty()) {
      CAIRN_TRY(write_detached(run));
      detach(run);
    }
    const bool in_place = next - first == 1;
    if (!in_place) {
      after[i].live = run.live;
    }
    LiveDocument& live = in_place ? run.live : after[i].live;
    CAIRN_TRY(apply_all(live, operations, order.data() + first, next - first, after[i].changes, failed));
    after[i].in_place = in_place && after[i].changes > 0;
    if (after[i].changes > 0) {
      std::string bytes;
      append_diff_prefix(bytes, run.id, run.record.created_lsn);
      live.append_pending(bytes, run.sequence + after[i].changes, updated);
      diffs.push_back(std::move(bytes));
    }
  }
  if (diffs.empty()) {
    for (Run* run : runs) {  // what it found must survive as if it had made it
      uint64_t last = 0;
      CAIRN_TRY(append_for(*run, {}, &last));
      *lsn = std::max(*lsn, last);
    }
    return {};
  }
  std::string payload;
  append_transaction(payload, diffs);
  if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large({}, payload.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  // Seals that would crowd the segment go ahead, on their own: they are no part of the transaction.
  size_t seal_bytes = 0;
  for (Run* run : runs) {
    if (run->detached) {
      seal_bytes += run->detached->payload.size() + 64;
      if (seal_bytes > options_.segment_bytes / 8) {
        CAIRN_TRY(write_detached(*run));
      }
    }
  }
  {
    wal::Writer::Append append(*writer_);
    std::vector<Detached*> added;
    for (Run* run : runs) {
      if (run->detached && !run->detached->written) {
        add_record(append, LogType::kDiff, run->detached->payload);
        added.push_back(run->detached.get());
      }
    }
    add_record(append, LogType::kTransaction, payload);
    auto committed = append.commit_split(added.size());
    if (!committed.ok()) {
      return append_failed(committed.status());
    }
    *lsn = *committed;
    wake_for_flush();
    for (Detached* detached : added) {
      detached->written = true;
      detached->lsn = *committed;  // an upper bound is all that last_lsn needs
    }
  }
  take_back.done();
  for (size_t i = 0; i < runs.size(); ++i) {
    Run& run = *runs[i];
    if (run.detached) {
      free_detached(run);
    }
    run.last_lsn = *lsn;
    if (after[i].changes > 0) {
      run.sequence += after[i].changes;
      run.updated_us = updated;
      if (run.record.foreign) {
        note_outbox(run, std::move(after[i].outbox), after[i].added);
      } else {
        if (!after[i].in_place) {
          run.live = std::move(after[i].live);
        }
        run.live.clear_pending(run.sequence);
      }
      run.version.store(run.sequence, std::memory_order_release);
    }
    mark_clean(run);
  }
  return {};
}

Status Store::transact(const std::vector<RunOperation>& operations, Durability durability, size_t* failed) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
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
  const bool power = wants_power(durability);
  CAIRN_TRY(can_promise(durability));
  std::vector<std::string> ids;
  if (class_of(durability) == Durability::kUpstream) {
    for (const Run* run : runs) {
      ids.push_back(run->id);
    }
  }
  uint64_t lsn = 0;
  {
    const RunLocks locks(std::move(runs));
    for (Run* run : locks.runs()) {
      CAIRN_TRY(check_gate(*run));
    }
    CAIRN_TRY(locks.runs().size() == 1 ? transact_one(*locks.runs()[0], operations, power, &lsn, failed)
                                       : transact_several(locks.runs(), operations, &lsn, failed));
  }
  {
    const std::lock_guard guard(stats_mutex_);
    ++stats_.transactions;
  }
  return power && lsn != 0 ? keep_promise(durability, lsn, ids) : Status();
}

}  // namespace cairn::engine
