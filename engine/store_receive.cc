// Runs that come in by sync: a batch is planned on the runs as they are, under their locks, and written as one log
// record with its stream's cursor; then it is what they are. The sender is the owner of its runs; here nobody else
// changes their status, and a change of their metadata by others is noted, so that the owner sends forms from then on.
#include <algorithm>
#include <tuple>

#include "engine/evaluate.h"
#include "engine/nesting.h"
#include "engine/operation_list.h"
#include "engine/path.h"
#include "engine/run_locks.h"
#include "engine/store.h"
#include "engine/undo_unless_done.h"

namespace cairn::engine {

namespace {

using sync::Entry;
using sync::EntryKind;
using sync::VerdictCode;

constexpr uint64_t kThisRecord = 0;           // creation LSN of a part whose run starts in the same record
constexpr size_t kDocumentsBytes = 2u << 20;  // of an answer to a question

/// A form of others, of a run that is here: a list of operations that only counts is a sum, which needs no list.
Form form_here(const Form& form) {
  if (form.kind != FormKind::kOperations) {
    return form;
  }
  Form counts;
  for (const Operation& op : form.lists->operations) {
    if (op.type != OperationType::kIncrement || is_path(op.key)) {
      return form;
    }
    if (counts.kind == FormKind::kIncrement) {
      fold_operation(counts, op);
    } else {
      counts = form_of(op);
    }
  }
  return counts;
}

/// What one change makes of the document, as a change with its result: in `made`. `goes_on`: to an upstream, in the
/// form that came, also where it makes nothing of this document, for it may make something of that one's. kTooDeep,
/// kTooLarge: it makes what no update of this store could have made.
Status change_of(const Document& document, const DiffEntry& change, bool goes_on, std::optional<DiffEntry>& made) {
  const int at = document.find(change.key);
  const Value* const there = at < 0 ? nullptr : &document.member(at).value;
  std::optional<Value> value;
  CAIRN_TRY(evaluate_within_depth(change, there, value));
  if (change.form.kind == FormKind::kSet || change.form.kind == FormKind::kDelete) {
    made = change;
  } else if (value) {
    made = DiffEntry{change.key, form_here(change.form), std::move(value)};
  } else if (there != nullptr) {
    made = DiffEntry{change.key, Form(FormKind::kDelete), std::nullopt};  // nothing else removes a key
  } else if (goes_on) {
    made = change;
    made->gone = true;
  }
  return {};
}

/// What the entry makes of the document: a diff with values, as an update of this store would have made.
Result<Diff> changes_of(const Document& document, const std::vector<DiffEntry>& changes, bool replace, uint64_t base,
                        int64_t updated_us, bool goes_on) {
  Diff diff;
  diff.base = base;
  diff.last = base + 1;
  diff.updated_us = updated_us;
  diff.replace = replace;
  for (const DiffEntry& change : changes) {
    std::optional<DiffEntry> made;
    CAIRN_TRY(change_of(document, change, goes_on, made));
    if (made) {
      diff.entries.push_back(std::move(*made));
    }
  }
  return diff;
}

/// Lists go on to the upstream as they came, so they cannot grow without end while it is away. What the log has and the
/// tables do not yet is not counted: the bound is far below the one beyond which a list becomes a set.
Status room_to_go_on(Tables& tables, const RunRecord& run, const Entry& delta) {
  const auto is_list = [](const DiffEntry& c) { return c.form.kind == FormKind::kOperations; };
  if (std::none_of(delta.changes.begin(), delta.changes.end(), is_list)) {
    return {};
  }
  auto record = tables.find_for_fold(run.id);
  CAIRN_TRY(record.status());
  if (!*record || (*record)->created_lsn != run.created_lsn) {
    return {};
  }
  for (const DiffEntry& waits : (*record)->outbox.newest().entries) {
    if (is_list(waits) && waits.form.lists->operations.size() >= kKnownOperationsMax &&
        std::any_of(delta.changes.begin(), delta.changes.end(),
                    [&](const DiffEntry& c) { return is_list(c) && c.key == waits.key; })) {
      return {Code::kBacklog, "too much waits for the upstream of this store: it has to be sent first"};
    }
  }
  return {};
}

constexpr Status kTooDeepEntry{Code::kTooDeep, "nested deeper than 64 where it would stand: make the value flatter"};

bool newer(const Origin& a, const Origin& than) {
  return std::tie(a.generation, a.life, a.sequence) > std::tie(than.generation, than.life, than.sequence);
}

void take_head(RunRecord& record, const sync::Head& head) {
  record.status = head.status;
  record.task = head.task;
  record.parent = head.parent;
  record.root = head.root;
  record.tags = head.tags;
  record.created_us = head.created_us;
  record.finished_us = head.finished_us;
  record.error = head.error;
}

}  // namespace

/// One entry on its way into its run.
struct Store::Incoming {
  const Entry* entry = nullptr;
  RunRef run;
  bool made = false;    // the run was not here
  bool starts = false;  // a start record: a new run, or another life of it
  bool erases = false;
  bool changes = false;  // anything at all
  RunRecord record;      // of a start; else the fields that change
  Document document;     // after it
  bool with_document = false;
  bool with_head = false;
  bool with_outbox = false;
  bool with_note = false;  // of the origin alone
  Diff outbox;             // what waits for the owner after it; or the change of the document
  Diff waiting;            // what comes to that
  std::string refusal;     // why not, in words
  RunRef replaced;         // the erased run whose place in the table it takes
  uint64_t sequence = 0;   // after it
  int64_t updated_us = 0;
  std::optional<Origin> origin;
  bool others_write = false;
  uint8_t hops = 0;                   // of what waits for the owner
  Diff waited;                        // for the owner, whose first word this is: it goes on top; as the tables have it
  Diff on_top;                        // that, as what others do to a run that is here
  Document first_word;                // without it
  std::vector<std::string> left_out;  // keys of what does not fit on top
};

// The cursors of a batch of one run, and the heads of its parts in the log's record.
constexpr size_t kReceivedHeadMax = 4096;

// What others did before the owner's first word, in.document. With an upstream it goes on as the forms that came; but
// as what they make of it where the log's record would be too large for them, or there is no upstream to have them.
Status Store::put_on_top_of_start(Incoming& in) const {
  Document document = in.document;
  in.left_out = put_on_top(in.waited, options_.metadata_bytes_max, document);
  const bool ships = ships_.load(std::memory_order_relaxed);
  Result<Diff> after =
      changes_of(in.document, in.waited.entries, in.waited.replace, in.record.sequence, in.entry->updated_us, ships);
  CAIRN_TRY(after.status());
  in.first_word = in.document;
  CAIRN_TRY(engine::apply(*after, in.document));
  const auto fits = [&] {
    RunRecord record = in.record;
    record.document = in.first_word;
    std::string bytes;
    append_run_record(bytes, record);
    append_diff(bytes, *after);
    return bytes.size() + kReceivedHeadMax <= wal::record_bytes_max(options_.segment_bytes);
  };
  if (ships && !fits()) {
    std::erase_if(after->entries, [](const DiffEntry& e) { return e.gone; });
    for (DiffEntry& e : after->entries) {
      e.form = Form(e.value ? FormKind::kSet : FormKind::kDelete);
    }
  }
  if (ships && fits() && (after->replace || !after->entries.empty())) {
    in.on_top = std::move(*after);
  }
  return {};
}

// All errors are the entry's own: a verdict.
Status Store::plan_start(const sync::Batch& batch, Incoming& in, Run* old) {
  const Entry& e = *in.entry;
  if (e.too_deep) {
    return kTooDeepEntry;
  }
  RunRecord& record = in.record;
  record.id = e.id;
  take_head(record, *e.head);
  record.session = session_;
  record.updated_us = e.updated_us;
  record.sequence = old != nullptr ? old->sequence + 1 : 1;
  const Result<Diff> whole = changes_of(Document(), e.changes, true, 0, e.updated_us, false);
  CAIRN_TRY(whole.status());
  CAIRN_TRY(engine::apply(*whole, in.document));
  CAIRN_TRY(check_metadata(in.document));
  if (in.waited.last != 0) {
    CAIRN_TRY(put_on_top_of_start(in));
  }
  in.others_write = old != nullptr && old->record.foreign;
  in.starts = in.changes = in.with_document = true;
  in.sequence = in.on_top.last != 0 ? in.on_top.last : record.sequence;
  in.updated_us = record.updated_us;
  in.origin = Origin{batch.header.owner, batch.header.generation, e.life, e.sequence};
  CAIRN_TRY(check_relatives(record.id, record.parent, record.root));
  return check_run_record(record);
}

Status Store::plan_change(Incoming& in, const Run& run) {
  const Entry& e = *in.entry;
  if (e.too_deep) {
    return kTooDeepEntry;
  }
  in.sequence = run.sequence;
  in.updated_us = std::max(run.updated_us, e.updated_us);
  if (e.replace || !e.changes.empty()) {
    in.document = run.live.document();
    Result<Diff> diff = changes_of(in.document, e.changes, e.replace, run.sequence, in.updated_us,
                                   ships_.load(std::memory_order_relaxed));
    CAIRN_TRY(diff.status());
    if (diff->replace || !diff->entries.empty()) {
      CAIRN_TRY(engine::apply(*diff, in.document));
      CAIRN_TRY(check_metadata(in.document));
      in.outbox = std::move(*diff);  // the log's diff
      in.with_document = in.changes = true;
      ++in.sequence;
    }
  }
  if (e.head) {
    in.with_head = in.changes = true;
    ++in.sequence;
    take_head(in.record, *e.head);
    RunRecord after = in.record;
    after.id = e.id;
    CAIRN_TRY(check_relatives(after.id, after.parent, after.root));
    CAIRN_TRY(check_run_record(after));
  }
  return {};
}

// A run owned elsewhere that is not here: what is done to it waits for its owner.
Status Store::plan_waiting(Incoming& in, const Run* run) {
  const Entry& e = *in.entry;
  if (e.too_deep) {
    return kTooDeepEntry;
  }
  // What cannot be taken must not wait: the owner, whose run it would join, could not be taken then.
  CAIRN_TRY(check_nesting(e.changes));
  if (std::any_of(e.changes.begin(), e.changes.end(), [](const DiffEntry& c) { return c.key == kProtoKey; })) {
    return {Code::kKeyRefused, "key: __proto__"};
  }
  if (e.hops >= kHopsMax) {
    return {Code::kInvalidArgument, "15 stores passed it on and none has the run: do their upstreams form a ring?"};
  }
  in.hops = e.hops + 1;
  if (run != nullptr) {
    CAIRN_TRY(room_behind_letter(e.id));
  }
  Diff diff;
  diff.base = run != nullptr ? run->sequence : 1;
  diff.last = diff.base + 1;
  diff.updated_us = e.updated_us;
  diff.replace = e.replace;
  diff.entries = e.changes;
  Diff all = diff;
  if (run != nullptr && run->record.outbox.waits()) {
    all = run->record.outbox.diff;
    CAIRN_TRY(fold(all, diff));
  }
  std::string bytes;
  append_diff(bytes, all);
  if (bytes.size() > kOutboxPerLimit * options_.metadata_bytes_max) {
    sum_increments(all);
    bytes.clear();
    append_diff(bytes, all);
  }
  if (bytes.size() > kOutboxPerLimit * options_.metadata_bytes_max) {
    return {Code::kBacklog, "too much waits for the owner of the run"};
  }
  in.starts = run == nullptr;
  in.record.id = e.id;
  in.record.foreign = true;
  in.record.sequence = 1;
  in.record.session = session_;
  in.record.created_us = in.record.updated_us = e.updated_us;
  in.changes = in.with_outbox = true;
  in.outbox = std::move(all);
  in.document = Document();
  in.sequence = diff.last;
  in.updated_us = e.updated_us;
  in.waiting = std::move(diff);
  return {};
}

Status Store::plan_incoming(const sync::Batch& batch, Incoming& in, std::optional<VerdictCode>& verdict) {
  const Entry& e = *in.entry;
  Run* run = in.run && in.run->gate != Code::kErased ? &*in.run : nullptr;
  const bool here = run != nullptr && !run->record.foreign;
  if (e.kind == EntryKind::kDelta) {
    if (!here) {
      return plan_waiting(in, run);
    }
    in.others_write = run->record.origin.received();
    if (in.others_write && ships_.load(std::memory_order_relaxed) && !batch.came_back) {
      CAIRN_TRY(room_to_go_on(*tables(), run->record, e));
    }
    return plan_change(in, *run);
  }
  const Origin origin{batch.header.owner, batch.header.generation, e.life, e.sequence};
  if (here && run->record.origin.owner != batch.header.owner) {
    verdict = VerdictCode::kNotOwner;
    in.refusal = owner_text(run->record.origin.owner) +
                 " has a run of this id, and was first: bring this one under an id of its own";
    return {};
  }
  if (e.kind == EntryKind::kErase) {
    if (here && newer(origin, run->record.origin)) {
      in.erases = in.changes = true;
      in.sequence = run->sequence + 1;
      in.updated_us = now_us();
    }
    return {};
  }
  if (!here) {
    if (!e.whole()) {
      verdict = VerdictCode::kWantFull;
      return {};
    }
    return plan_start(batch, in, run);
  }
  if (!newer(origin, run->record.origin)) {
    return {};  // it was here before
  }
  if (e.life != run->record.origin.life) {
    if (!e.whole()) {
      verdict = VerdictCode::kWantFull;
      return {};
    }
    return plan_start(batch, in, run);
  }
  if (e.kind == EntryKind::kValues && run->record.others_write) {
    if (!e.whole() || e.sequence != run->record.origin.sequence) {
      verdict = VerdictCode::kShared;
    }
    return {};  // whole: that very state of the owner's is in here
  }
  in.origin = origin;
  CAIRN_TRY(plan_change(in, *run));
  if (!in.changes) {
    // Nothing is different, and yet the owner's state is a later one.
    in.with_note = in.changes = true;
    ++in.sequence;
  }
  return {};
}

void Store::append_parts(const Incoming& in, std::string& payload) const {
  const auto part = [&](LogType type, std::string bytes) {
    append_received_part(
        payload, {type, in.origin, in.others_write, type == LogType::kDiff ? in.hops : uint8_t{0}, std::move(bytes)});
  };
  const std::string& id = in.entry->id;
  const uint64_t created = in.starts ? kThisRecord : in.run->record.created_lsn;
  if (in.starts) {
    RunRecord record = in.record;
    record.document = in.on_top.last != 0 ? in.first_word : in.document;
    std::string bytes;
    append_run_record(bytes, record);
    part(LogType::kStart, std::move(bytes));
  }
  const Diff* diff = in.with_outbox                   ? &in.waiting
                     : in.on_top.last != 0            ? &in.on_top
                     : !in.starts && in.with_document ? &in.outbox
                                                      : nullptr;
  if (diff != nullptr) {
    std::string bytes;
    append_diff_prefix(bytes, id, created);
    append_diff(bytes, *diff);
    part(LogType::kDiff, std::move(bytes));
  }
  if (in.with_head || in.erases || in.with_note) {
    RunChange change;
    change.id = id;
    change.created_lsn = created;
    change.sequence = in.sequence;
    change.updated_us = in.updated_us;
    if (in.with_head) {
      change.status = in.record.status;
      change.tags = in.record.tags;
      change.error = in.record.error;
      change.updated_us = is_final(in.record.status) ? in.record.finished_us : in.updated_us;
    }
    std::string bytes;
    engine::append_change(bytes, change);
    part(in.erases ? LogType::kErase : LogType::kChange, std::move(bytes));
  }
}

// With the run's lock held, after the record was written.
void Store::carry_in(Incoming& in, uint64_t lsn) {
  Run& run = *in.run;
  const bool was_final = !in.made && run.gate == Code::kFinished;
  log_left_out(run.id, in.left_out);
  if (in.starts) {
    run.record = std::move(in.record);
    run.record.created_lsn = lsn;
    run.record.others_write = false;
  } else if (in.with_head) {
    run.record.status = in.record.status;
    run.record.tags = std::move(in.record.tags);
    run.record.error = std::move(in.record.error);
    run.record.finished_us = in.record.finished_us;
  }
  run.sequence = in.sequence;
  run.updated_us = in.with_head && is_final(run.record.status) ? run.record.finished_us : in.updated_us;
  if (in.origin) {
    run.record.origin = *in.origin;
  }
  run.record.others_write = run.record.others_write || in.others_write;
  if (in.with_outbox) {
    note_outbox(run, std::move(in.outbox), in.waiting);
  }
  if (in.with_document) {
    run.live.reset(std::move(in.document), run.sequence);
  } else {
    run.live.clear_pending(run.sequence);
  }
  run.last_lsn = lsn;
  run.gate = in.erases ? Code::kErased : gate_of(run.record);
  finished_ += run.gate == Code::kFinished ? 1 : 0;
  finished_ -= was_final ? 1 : 0;
  run.version.store(run.sequence, std::memory_order_release);
}

Status Store::receive(const sync::Batch& batch, const std::function<std::vector<Received::Cursor>()>& cursors,
                      std::vector<sync::Verdict>& verdicts, size_t& limit) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  uint64_t lsn = 0;
  Status s = receive_settled(batch, cursors, verdicts, limit, false, lsn);
  if (s.code == Code::kAgain) {
    // The owner's first word of a run for which something waits here: the sender, which may be sending it on at this
    // moment, stands still, so that it goes either into the run or upstream.
    const std::lock_guard sync_guard(sync_mutex_);
    const std::lock_guard checkpoint_guard(checkpoint_mutex_);
    CAIRN_TRY(synced(writer_->written_lsn()));
    CAIRN_TRY(checkpoint_locked());  // so that little is left to do under the runs' locks
    s = receive_settled(batch, cursors, verdicts, limit, true, lsn);
    return s.ok() ? synced(lsn) : s;  // the next fold, which may be the sender's, has it
  }
  return s.ok() ? synced(lsn) : s;
}

// kAgain: something waits for the owner of a run whose first word this is, and `settled` is false; nothing happened.
// `settled`: with sync_mutex_ and checkpoint_mutex_ held.
Status Store::receive_settled(const sync::Batch& batch, const std::function<std::vector<Received::Cursor>()>& cursors,
                              std::vector<sync::Verdict>& verdicts, size_t& limit, bool settled, uint64_t& lsn) {
  verdicts.clear();
  std::vector<Incoming> incoming(batch.entries.size());
  {
    const std::lock_guard start_guard(start_mutex_);
    if (const Code gate = this->gate(); gate != Code::kOk) {
      return refuse(gate);
    }
    std::vector<Run*> known;
    for (size_t i = 0; i < incoming.size(); ++i) {
      incoming[i].entry = &batch.entries[i];
      auto run = load_run(batch.entries[i].id);
      if (run.ok()) {
        incoming[i].run = std::move(*run);
        known.push_back(&*incoming[i].run);
      } else if (run.code() != Code::kNoSuchRun) {
        return run.status();
      }
    }
    const RunLocks locks(std::move(known));
    for (Incoming& in : incoming) {
      if (!in.run || in.run->gate == Code::kErased || !in.run->record.foreign || !in.entry->whole()) {
        continue;
      }
      if (!settled) {
        return {Code::kAgain, "changes of the run are on their way"};
      }
      auto record = folded_record(*in.run);
      CAIRN_TRY(record.status());
      in.waited = std::move(record->outbox.diff);
    }
    for (size_t i = 0; i < incoming.size(); ++i) {
      std::optional<VerdictCode> verdict;
      Incoming& in = incoming[i];
      const Status planned = plan_incoming(batch, in, verdict);
      if (planned.code == Code::kTooLarge) {
        verdict = VerdictCode::kTooLarge;
      } else if (planned.code == Code::kBacklog) {
        verdict = VerdictCode::kBacklog;
      } else if (!planned.ok()) {
        verdict = VerdictCode::kRefusedRun;
      }
      if (verdict) {
        in.changes = false;
        const uint64_t has = *verdict == VerdictCode::kShared ? in.run->record.origin.sequence : 0;
        verdicts.push_back({static_cast<uint32_t>(i), *verdict, planned.ok() ? in.refusal : planned.what, has});
      }
    }
    // What is pending of runs that change goes into the log before.
    for (Incoming& in : incoming) {
      if (in.changes && in.run && !in.run->live.pending().empty()) {
        CAIRN_TRY(write_detached(*in.run));
        detach(*in.run);
      }
    }
    std::string payload;
    append_received_head(payload, cursors());
    for (const Incoming& in : incoming) {
      if (in.changes) {
        append_parts(in, payload);
      }
    }
    if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
      limit = wal::record_bytes_max(options_.segment_bytes);
      return fail_too_large({}, payload.size(), limit);
    }
    // New runs are in the table, locked, before their record can be in the log: else a checkpoint and a find() in
    // between would load a second one.
    std::vector<Incoming*> made;
    UndoUnlessDone never_came([&] {
      for (Incoming* in : made) {
        in->run->gate = Code::kErased;
        in->run->last_lsn = UINT64_MAX;
        const std::lock_guard guard(table_mutex_);
        if (in->replaced) {
          runs_[in->run->id] = in->replaced;
        } else {
          runs_.erase(in->run->id);
        }
      }
    });
    std::vector<std::unique_lock<RunLock>> made_locks;
    size_t hot = 0;
    {
      const std::lock_guard guard(table_mutex_);
      for (Incoming& in : incoming) {
        if (in.changes && (!in.run || in.run->gate == Code::kErased)) {
          if (!in.starts) {
            continue;
          }
          RunRecord empty;
          empty.id = in.entry->id;
          in.replaced = std::move(in.run);
          in.run = make_run(std::move(empty));
          in.made = true;
          made_locks.emplace_back(in.run->lock);
          runs_[in.run->id] = in.run;
          made.push_back(&in);
        }
      }
      hot = runs_.size();
    }
    size_t seal_bytes = 0;
    for (Incoming& in : incoming) {
      if (in.changes && in.run->detached) {
        seal_bytes += in.run->detached->payload.size() + 64;
        if (seal_bytes > options_.segment_bytes / 8) {
          CAIRN_TRY(write_detached(*in.run));
        }
      }
    }
    {
      wal::Writer::Append append(*writer_);
      std::vector<Detached*> added;
      for (Incoming& in : incoming) {
        if (in.changes && in.run->detached && !in.run->detached->written) {
          add_record(append, LogType::kDiff, in.run->detached->payload);
          added.push_back(in.run->detached.get());
        }
      }
      add_record(append, LogType::kReceived, payload);
      auto committed = append.commit_split(added.size());
      if (!committed.ok()) {
        return append_failed(committed.status());
      }
      lsn = *committed;
      wake_for_flush();
      wake_for_eviction(hot);
      for (Detached* detached : added) {
        detached->written = true;
        detached->lsn = lsn;
      }
    }
    never_came.done();
    for (Incoming& in : incoming) {
      if (in.changes) {
        if (in.run->detached) {
          free_detached(*in.run);
        }
        carry_in(in, lsn);
        mark_clean(*in.run);
      }
    }
  }
  return {};
}

// With the run's lock held: a change by this store of a run that another one owns. From now on that one sends forms.
Status Store::note_other_writer(Run& run) {
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
  CAIRN_TRY(append_for(run, {{LogType::kReceived, std::move(payload)}}, nullptr));
  run.record.others_write = true;
  run.sequence = change.sequence;
  run.live.clear_pending(run.sequence);
  run.version.store(run.sequence, std::memory_order_release);
  run.gate = Code::kOk;
  return {};
}

Status Store::documents(const sync::Question& question, sync::Documents& documents) {
  size_t bytes = 0;
  for (const sync::Question::Run& asked : question.runs) {
    if (bytes > kDocumentsBytes) {
      break;  // it is asked for the rest again
    }
    sync::Documents::Run& run = documents.runs.emplace_back();
    run.id = asked.id;
    auto seen = peek(asked.id, true);
    CAIRN_TRY(seen.status());
    if (!*seen || (*seen)->erased || (*seen)->record.foreign) {
      continue;
    }
    RunRecord& record = (*seen)->record;
    const Origin has{question.owner, asked.generation, asked.life, asked.sequence};
    if (asked.if_newer && (record.origin.owner != question.owner || !newer(record.origin, has))) {
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
  return {};
}

}  // namespace cairn::engine
