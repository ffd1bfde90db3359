#include "engine/store/intake.h"

#include <algorithm>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/store/run_locks.h"
#include "engine/tables/format.h"
#include "wal/format.h"

namespace cairn::engine {

namespace {

using sync::VerdictCode;

constexpr size_t kDocumentsBytes = 2u << 20;  // of an answer to a question

}  // namespace

Status Intake::receive(const sync::Batch& batch, const Cursors& cursors, std::vector<sync::Verdict>& verdicts,
                       size_t& limit) {
  CAIRN_TRY(gate_.check_process());
  uint64_t lsn = 0;
  Status s = take(batch, cursors, verdicts, limit, false, lsn);
  if (s.code == Code::kAgain) {
    // The owner's first word of a run for which something waits here: the sender, which may be sending it on at this
    // moment, stands still, so that it goes either into the run or upstream.
    const MutexLock sender_guard(sender_.mutex());
    const MutexLock checkpoint_guard(checkpointer_.mutex());
    CAIRN_TRY(log_.sync_all());
    CAIRN_TRY(checkpointer_.fold());  // so that little is left to do under the runs' locks
    s = take(batch, cursors, verdicts, limit, true, lsn);
    return s.ok() ? log_.sync(lsn) : s;  // the next fold, which may be the sender's, has it
  }
  return s.ok() ? log_.sync(lsn) : s;
}

// kAgain: something waits for the owner of a run whose first word this is, and `settled` is false; nothing happened.
// `settled`: with the upstream and the checkpointer held.
Status Intake::take(const sync::Batch& batch, const Cursors& cursors, std::vector<sync::Verdict>& verdicts,
                    size_t& limit, bool settled, uint64_t& lsn) {
  verdicts.clear();
  std::vector<Incoming> incoming(batch.entries.size());
  const MutexLock start_guard(runs_.start_mutex());
  CAIRN_TRY(gate_.check());
  std::vector<Run*> known;
  CAIRN_TRY(load(batch, incoming, known));
  const RunLocks locks(std::move(known));
  CAIRN_TRY(settle(incoming, settled));
  plan(batch, incoming, verdicts);
  // What is pending of runs that change goes into the log before.
  for (Incoming& in : incoming) {
    assert_locked(in.run.get());
    if (in.changes && in.run) {
      CAIRN_TRY(log_.detach_pending(*in.run));
    }
  }
  std::string payload;
  append_received_head(payload, cursors());
  for (const Incoming& in : incoming) {
    if (in.changes) {
      IncomingPlan::append_parts(in, payload);
    }
  }
  if (payload.size() > wal::record_bytes_max(segment_bytes_)) {
    limit = wal::record_bytes_max(segment_bytes_);
    return fail_too_large({}, payload.size(), limit);
  }
  return append(incoming, payload, lsn);
}

// The runs of the batch that are here, which are to be locked.
Status Intake::load(const sync::Batch& batch, std::vector<Incoming>& incoming, std::vector<Run*>& known) {
  for (size_t i = 0; i < incoming.size(); ++i) {
    incoming[i].entry = &batch.entries[i];
    auto run = runs_.load(batch.entries[i].id);
    if (run.ok()) {
      incoming[i].run = std::move(*run);
      known.push_back(&*incoming[i].run);
    } else if (run.code() != Code::kNoSuchRun) {
      return run.status();
    }
  }
  return {};
}

// What waits here for the owner of a run whose first word is in the batch.
Status Intake::settle(std::vector<Incoming>& incoming, bool settled) {
  for (Incoming& in : incoming) {
    assert_locked(in.run.get());
    if (!in.run || in.run->gate == Code::kErased || !in.run->record.foreign || !in.entry->whole()) {
      continue;
    }
    if (!settled) {
      return {Code::kAgain, "changes of the run are on their way"};
    }
    auto record = checkpointer_.folded_record(*in.run);
    CAIRN_TRY(record.status());
    in.waited = std::move(record->outbox.diff);
  }
  return {};
}

void Intake::plan(const sync::Batch& batch, std::vector<Incoming>& incoming,
                  std::vector<sync::Verdict>& verdicts) const {
  for (size_t i = 0; i < incoming.size(); ++i) {
    std::optional<VerdictCode> verdict;
    Incoming& in = incoming[i];
    const Status planned = plan_.plan(batch, in, verdict);
    if (planned.code == Code::kTooLarge) {
      verdict = VerdictCode::kTooLarge;
    } else if (planned.code == Code::kBacklog) {
      verdict = VerdictCode::kBacklog;
    } else if (!planned.ok()) {
      verdict = VerdictCode::kRefusedRun;
    }
    if (!verdict && in.entry->texts.kinds() != 0 && in.changes && !in.erases) {
      assert_locked(in.run.get());
      RunTexts texts = in.starts || !in.run->record.texts ? RunTexts() : *in.run->record.texts;
      take_texts(texts, in.entry->texts);
      in.texts = std::make_shared<const RunTexts>(std::move(texts));
    }
    if (verdict) {
      assert_locked(in.run.get());
      in.changes = false;
      const uint64_t has = *verdict == VerdictCode::kShared ? in.run->record.origin.sequence : 0;
      verdicts.push_back({static_cast<uint32_t>(i), *verdict, planned.ok() ? in.refusal : planned.what, has});
    }
  }
}

Status Intake::append(std::vector<Incoming>& incoming, const std::string& payload, uint64_t& lsn) {
  RunTable::Entering entering(runs_);
  for (Incoming& in : incoming) {
    assert_locked(in.run.get());
    if (in.changes && in.starts && (!in.run || in.run->gate == Code::kErased)) {
      RunRecord empty;
      empty.id = in.entry->id;
      in.replaced = std::move(in.run);
      in.run = entering.add(std::move(empty));
      in.made = true;
    }
  }
  std::vector<Run*> changing;
  for (Incoming& in : incoming) {
    if (in.changes) {
      assert_locked(in.run.get());
      changing.push_back(in.run.get());
      if (in.with_outbox) {
        in.waiting = outbox_.since_with(*in.run, in.waiting);
      }
    }
  }
  CAIRN_TRY(log_.append_for_all(changing, LogType::kReceived, payload, lsn));
  entering.keep();
  alarm_.eviction_may_be_due();
  for (Incoming& in : incoming) {
    if (in.changes) {
      assert_locked(in.run.get());
      apply(in, lsn);
      dirty_.remove(*in.run);
    }
  }
  for (const Incoming& in : incoming) {
    if (in.changes) {
      outbox_.log_left_out(in.run->id, in.left_out);
    }
  }
  return {};
}

// With the run's lock held, after the record was written.
void Intake::apply(Incoming& in, uint64_t lsn) {
  Run& run = *in.run;
  run.lock.assert_held();
  const StatusCounts::Place place = in.made ? StatusCounts::none() : StatusCounts::of(run.record);
  if (in.starts) {
    run.record = std::move(in.record);
    run.record.created_lsn = lsn;
    run.record.others_write = false;
  } else if (in.with_head) {
    const RunStatus before = run.record.status;
    run.record.status = in.record.status;
    run.record.tags = std::move(in.record.tags);
    run.record.error = std::move(in.record.error);
    if (in.record.details) {
      run.record.details = std::move(in.record.details);
    } else if (run.record.details) {  // as replay does
      follow_status(*run.record.details, before, run.record.status, in.updated_us);
    }
    run.record.finished_us = in.record.finished_us;
  }
  if (in.texts != nullptr) {
    run.record.texts = std::move(in.texts);
  }
  run.sequence = in.sequence;
  run.updated_us = in.with_head && is_final(run.record.status) ? run.record.finished_us : in.updated_us;
  if (in.origin) {
    run.record.origin = *in.origin;
  }
  run.record.others_write = run.record.others_write || in.others_write;
  if (in.with_outbox) {
    ForeignOutbox::note(run, std::move(in.outbox), std::move(in.waiting));
  }
  if (in.with_document) {
    run.live.reset(std::move(in.document), run.sequence);
  } else {
    run.live.clear_pending(run.sequence);
  }
  run.last_lsn = lsn;
  run.gate = in.erases ? Code::kErased : gate_of(run.record);
  counts_.move(place, in.erases ? StatusCounts::none() : StatusCounts::of(run.record));
  run.version.store(run.sequence, std::memory_order_release);
  if (in.others_write) {
    unseen_.add(run);
  }
}

Status Intake::documents(const sync::Question& question, sync::Documents& documents) {
  size_t bytes = 0;
  if (question.follows) {
    unseen_.follow(question.owner);  // before the runs are read: what is written then is noted
  }
  for (const sync::Question::Run& asked : question.runs) {
    if (bytes > kDocumentsBytes) {
      break;  // it is asked for the rest again
    }
    if (!asked.if_newer) {
      unseen_.asked(question.owner, asked.id);
    }
    sync::Documents::Run& run = documents.runs.emplace_back();
    run.id = asked.id;
    auto seen = views_.peek(asked.id, true);
    if (seen.code() == Code::kCorrupt && (question.follows || asked.if_unseen)) {
      continue;  // one sick run keeps the owner's others from nobody
    }
    CAIRN_TRY(seen.status());
    if (!*seen || (*seen)->erased || (*seen)->record.foreign) {
      continue;
    }
    RunRecord& record = (*seen)->record;
    const Origin has{question.owner, asked.generation, asked.life, asked.sequence};
    if (asked.if_newer && (record.origin.owner != question.owner || !is_newer(record.origin, has))) {
      continue;
    }
    if (asked.if_unseen && (record.origin.owner != question.owner || !record.others_write ||
                            (asked.seen_life == record.created_lsn && asked.seen_version == record.sequence))) {
      continue;
    }
    run.found = true;
    run.origin = record.origin;
    run.others_write = record.others_write;
    run.version = record.sequence;
    run.life = record.created_lsn;
    run.head = sync::head_of(record);
    run.document = std::move(record.document);
    bytes += 256 + run.document.bytes_bound();
  }
  if (question.follows) {
    documents.unseen = unseen_.of(question.owner);
  }
  return {};
}

Status Intake::each_stored_cursor(const FunctionRef<bool(std::string_view, std::string_view)>& visit) {
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  return tables->look([&](TablesTxn& txn) { return txn.walk(Table::kCursors, {}, visit); });
}

Result<std::optional<std::string>> Intake::stored_cursor(std::string_view key) {
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  std::optional<std::string> cursor;
  CAIRN_TRY(tables->look([&](TablesTxn& txn) -> Status {
    auto payload = txn.get(Table::kCursors, key);
    CAIRN_TRY(payload.status());
    if (payload->has_value()) {
      cursor.emplace(**payload);
    }
    return {};
  }));
  return cursor;
}

}  // namespace cairn::engine
