#include "engine/store/incoming.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/diff/evaluate.h"
#include "engine/diff/fold.h"
#include "engine/diff/nesting.h"
#include "engine/diff/put_on_top.h"
#include "engine/document/check_metadata.h"
#include "engine/document/path.h"
#include "engine/records/log_record.h"
#include "engine/tables/tables.h"
#include "wal/format.h"

namespace cairn::engine {

namespace {

using sync::Entry;
using sync::EntryKind;
using sync::VerdictCode;

constexpr uint64_t kThisRecord = 0;  // creation LSN of a part whose run starts in the same record

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

constexpr Status kTooDeepEntry{Code::kTooDeep, "nested deeper than 128 where it would stand: make the value flatter"};

void take_head(RunRecord& record, const sync::Head& head) {
  record.status = head.status;
  record.task = head.task;
  record.parent = head.parent;
  record.root = head.root;
  record.tags = head.tags;
  record.created_us = head.created_us;
  record.finished_us = head.finished_us;
  record.error = head.error;
  record.details = head.details;
}

// The cursors of a batch of one run, and the heads of its parts in the log's record.
constexpr size_t kReceivedHeadMax = 4096;

}  // namespace

bool is_newer(const Origin& a, const Origin& than) {
  return std::tie(a.generation, a.life, a.sequence) > std::tie(than.generation, than.life, than.sequence);
}

// What others did before the owner's first word, in.document. With an upstream it goes on as the forms that came; but
// as what they make of it where the log's record would be too large for them, or there is no upstream to have them.
Status IncomingPlan::put_on_top_of_start(Incoming& in) const {
  Document document = in.document;
  in.left_out = put_on_top(in.waited, options_.metadata_bytes_max, document);
  const bool ships = keeps_changes();
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
Status IncomingPlan::plan_start(const sync::Batch& batch, Incoming& in, Run* old) const {
  const Entry& e = *in.entry;
  if (e.too_deep) {
    return kTooDeepEntry;
  }
  RunRecord& record = in.record;
  record.id = e.id;
  take_head(record, *e.head);
  record.session = options_.session;
  record.updated_us = e.updated_us;
  assert_locked(old);
  record.sequence = old != nullptr ? old->sequence + 1 : 1;
  const Result<Diff> whole = changes_of(Document(), e.changes, true, 0, e.updated_us, false);
  CAIRN_TRY(whole.status());
  CAIRN_TRY(engine::apply(*whole, in.document));
  CAIRN_TRY(check_metadata(in.document, options_.metadata_bytes_max));
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

Status IncomingPlan::plan_change(Incoming& in, const Run& run) const {
  const Entry& e = *in.entry;
  if (e.too_deep) {
    return kTooDeepEntry;
  }
  in.sequence = run.sequence;
  in.updated_us = std::max(run.updated_us, e.updated_us);
  if (e.replace || !e.changes.empty()) {
    in.document = run.live.document();
    Result<Diff> diff = changes_of(in.document, e.changes, e.replace, run.sequence, in.updated_us, keeps_changes());
    CAIRN_TRY(diff.status());
    if (diff->replace || !diff->entries.empty()) {
      CAIRN_TRY(engine::apply(*diff, in.document));
      CAIRN_TRY(check_metadata(in.document, options_.metadata_bytes_max));
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
Status IncomingPlan::plan_waiting(Incoming& in, const Run* run) const {
  const Entry& e = *in.entry;
  if (e.too_deep) {
    return kTooDeepEntry;
  }
  // What cannot be taken must not wait: the owner, whose run it would join, could not be taken then.
  CAIRN_TRY(check_nesting(e.changes));
  if (std::any_of(e.changes.begin(), e.changes.end(), [](const DiffEntry& c) { return c.key == kProtoKey; })) {
    return kProtoKeyRefused;
  }
  if (e.hops >= kHopsMax) {
    return {Code::kInvalidArgument, "15 stores passed it on and none has the run: do their upstreams form a ring?"};
  }
  in.hops = e.hops + 1;
  if (run != nullptr) {
    CAIRN_TRY(outbox_.check_letter(e.id));
  }
  assert_locked(run);
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
  CAIRN_TRY(outbox_.check_size(all));
  in.starts = run == nullptr;
  in.record.id = e.id;
  in.record.foreign = true;
  in.record.sequence = 1;
  in.record.session = options_.session;
  in.record.created_us = in.record.updated_us = e.updated_us;
  in.changes = in.with_outbox = true;
  in.outbox = std::move(all);
  in.document = Document();
  in.sequence = diff.last;
  in.updated_us = e.updated_us;
  in.waiting = std::move(diff);
  return {};
}

Status IncomingPlan::plan(const sync::Batch& batch, Incoming& in, std::optional<VerdictCode>& verdict) const {
  const Entry& e = *in.entry;
  assert_locked(in.run.get());
  Run* run = in.run && in.run->gate != Code::kErased ? &*in.run : nullptr;
  assert_locked(run);
  const bool here = run != nullptr && !run->record.foreign;
  if (e.kind == EntryKind::kDelta) {
    if (!here) {
      return plan_waiting(in, run);
    }
    in.others_write = run->record.origin.received();
    if (in.others_write && keeps_changes() && !batch.came_back) {
      CAIRN_TRY(room_to_go_on(*runs_.tables(), run->record, e));
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
    if (here && is_newer(origin, run->record.origin)) {
      in.erases = in.changes = true;
      in.sequence = run->sequence + 1;
      in.updated_us = hooks_.wall_us(hooks_.context);
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
  if (!is_newer(origin, run->record.origin)) {
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

void IncomingPlan::append_parts(const Incoming& in, std::string& payload) {
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
      change.details = in.record.details;
      change.updated_us = is_final(in.record.status) ? in.record.finished_us : in.updated_us;
    }
    std::string bytes;
    engine::append_change(bytes, change);
    part(in.erases ? LogType::kErase : LogType::kChange, std::move(bytes));
  }
  if (in.texts != nullptr) {
    std::string bytes;
    append_run_texts(bytes, id, created, in.entry->texts);
    part(LogType::kTexts, std::move(bytes));
  }
}

}  // namespace cairn::engine
