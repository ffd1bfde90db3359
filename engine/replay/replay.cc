#include "engine/replay/replay.h"

#include <algorithm>

#include "engine/diff/fold.h"
#include "engine/records/log_record.h"

namespace cairn::engine {

Result<Replay::State*> Replay::state(std::string_view id) {
  auto at = states_.find(id);
  if (at == states_.end()) {
    CAIRN_TRY_ASSIGN(auto&& found, find_(id));
    at = states_.try_emplace(std::string(id)).first;
    State& fresh = at->second;
    fresh.record = std::move(found);
    bytes_ += 256 + (fresh.record ? fresh.record->document.bytes_bound() : 0);
  }
  return &at->second;
}

namespace {

/// Folds a diff into the run's outbox row. If nothing is queued yet, the row starts at the sequence that the upstream
/// last acknowledged. If others write the run and it was never sent, the diff waits in the later row. `others`: the
/// diff is by another store.
Status wait_in_outbox(RunRecord& record, const Diff& diff, uint64_t lsn, bool others = false) {
  OutboxRow* row = &record.outbox;
  if (!row->later.empty()) {
    return fold(row->later[0].diff, diff, kStoredOperationsMax);
  }
  if (row->waits()) {
    const bool apart = (others || record.others_write) && !record.foreign && row->is_first_send();
    if (!apart) {
      return fold(row->diff, diff, kStoredOperationsMax);  // all were accepted before: nothing is refused
    }
    row = &row->later.emplace_back();
  }
  row->since_lsn = lsn;
  row->since_us = diff.updated_us;
  row->diff = diff;
  row->diff.base = record.shared != 0 ? std::exchange(record.shared, 0) : diff.base;
  return {};
}

/// Queues a change that took `sequence` but does not change the document.
Status wait_with_head(RunRecord& record, uint64_t sequence, int64_t updated_us, uint64_t lsn) {
  Diff none;
  none.base = sequence - 1;
  none.last = sequence;
  none.updated_us = updated_us;
  CAIRN_TRY(wait_in_outbox(record, none, lsn));
  (record.outbox.later.empty() ? record.outbox : record.outbox.later[0]).sends_status = true;
  return {};
}

/// The first row of a run that starts: all of it.
OutboxRow whole_run(const RunRecord& record, uint64_t lsn) {
  OutboxRow row;
  row.since_lsn = lsn;
  row.since_us = record.updated_us;
  row.sends_status = true;
  row.diff.last = record.sequence;
  row.diff.updated_us = record.updated_us;
  row.diff.replace = true;
  for (int i = 0; i < record.document.size(); ++i) {
    row.diff.entries.push_back({record.document.member(i).key, Form(FormKind::kSet), record.document.member(i).value});
  }
  return row;
}

}  // namespace

Result<bool> Replay::fold_diff(RunRecord& record, const Diff& diff, bool ship, uint64_t lsn, bool others) {
  if (diff.last <= record.sequence) {
    return true;  // folded before
  }
  if (diff.base != record.sequence) {
    return false;
  }
  if (!record.foreign) {
    CAIRN_TRY(apply(diff, record.document));
  }
  if (record.foreign || ship) {
    CAIRN_TRY(wait_in_outbox(record, diff, lsn, others));
  }
  record.sequence = diff.last;
  record.updated_us = diff.updated_us;
  return true;
}

RunStep classify_step(uint64_t created_lsn, uint64_t sequence, uint64_t step_created_lsn, uint64_t base,
                      uint64_t last) {
  if (created_lsn < step_created_lsn) {
    return RunStep::kUnknownRun;
  }
  if (created_lsn > step_created_lsn || last <= sequence) {
    return RunStep::kKnown;
  }
  return base == sequence ? RunStep::kNext : RunStep::kGap;
}

// A run may be unknown because it was erased, and a part of a checkpoint wrote that before applied_lsn moved. Then its
// erase record follows. Else it is a gap.
RunStep Replay::classify(State& s, const std::string& id, uint64_t created_lsn, uint64_t base, uint64_t last,
                         uint64_t lsn) {
  const RunStep step = s.record ? classify_step(s.record->created_lsn, s.record->sequence, created_lsn, base, last)
                                : RunStep::kUnknownRun;
  if (step == RunStep::kUnknownRun) {
    s.unknown_lsn = lsn;
    s.unknown_created = created_lsn;
  } else if (step == RunStep::kGap) {
    gaps_.push_back({id, lsn, s.record->sequence, base});
  }
  return step;
}

const StagedDiff* StagedRun::next_after(uint64_t sequence) const {
  const StagedDiff* next = nullptr;
  for (const StagedDiff* s : diffs) {
    if (s->diff.base == sequence && s->diff.last > (next == nullptr ? sequence : next->diff.last)) {
      next = s;
    }
  }
  return next;
}

std::vector<StagedRun> by_staged_run(const std::vector<StagedDiff>& staged) {
  std::map<std::pair<std::string_view, uint64_t>, std::vector<const StagedDiff*>> by_run;
  for (const StagedDiff& s : staged) {
    by_run[{s.run_id, s.created_lsn}].push_back(&s);
  }
  std::vector<StagedRun> runs;
  runs.reserve(by_run.size());
  for (auto& [run, diffs] : by_run) {
    runs.push_back({run.first, run.second, std::move(diffs)});
  }
  return runs;
}

Status Replay::fold_staged(
    const std::vector<StagedDiff>& staged,
    const std::function<void(const std::string& id, uint64_t created_lsn, const Diff&)>& folded) {
  for (const StagedRun& run : by_staged_run(staged)) {
    if (!wants(run.id)) {
      continue;
    }
    CAIRN_TRY_ASSIGN(State* const found, state(run.id));
    std::optional<RunRecord>& record = found->record;
    if (!record || record->created_lsn != run.created_lsn) {
      continue;  // the run is erased, or was never durable
    }
    while (const StagedDiff* next = run.next_after(record->sequence)) {
      CAIRN_TRY(fold_diff(*record, next->diff, ship_, 0).status());
      found->changed = true;
      found->last_lsn = UINT64_MAX;
      if (folded) {
        folded(next->run_id, next->created_lsn, next->diff);
      }
    }
  }
  return {};
}

Status Replay::visit_start(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY_ASSIGN(auto&& decoded, decode_run_record(payload));
  if (!wants(decoded.id)) {
    return {};
  }
  CAIRN_TRY_ASSIGN(State* const found, state(decoded.id));
  State& s = *found;
  s.last_lsn = lsn;
  if (s.record && s.record->created_lsn >= lsn) {
    return {};  // this start, or a later life of the id, is stored already
  }
  decoded.created_lsn = lsn;
  s.record = std::move(decoded);
  if (!s.record->foreign) {
    s.tombstone.reset();  // the new run replaces the old one upstream, too
    if (ship_) {
      s.record->outbox = whole_run(*s.record, lsn);
    }
  }
  s.unknown_lsn = 0;
  note_folded(s, lsn);
  return {};
}

Status Replay::visit_diff(const RunDiff& d, uint64_t lsn, bool others) {
  if (!wants(d.id)) {
    return {};
  }
  CAIRN_TRY_ASSIGN(State* const found, state(d.id));
  State& s = *found;
  s.last_lsn = lsn;
  if (classify(s, d.id, d.created_lsn, d.diff.base, d.diff.last, lsn) != RunStep::kNext) {
    return {};
  }
  CAIRN_TRY(fold_diff(*s.record, d.diff, ship_, lsn, others).status());
  note_folded(s, lsn);
  return {};
}

Status Replay::visit_change(std::string_view payload, uint64_t lsn, LogType type) {
  const bool erase = type == LogType::kErase || type == LogType::kForget;
  CAIRN_TRY_ASSIGN(auto&& decoded, decode_change(payload));
  const RunChange& c = decoded;
  if (!wants(c.id)) {
    return {};
  }
  CAIRN_TRY_ASSIGN(State* const found, state(c.id));
  State& s = *found;
  s.last_lsn = lsn;
  const RunStep step = classify(s, c.id, c.created_lsn, c.sequence - 1, c.sequence, lsn);
  if (step == RunStep::kUnknownRun && erase) {
    s.unknown_lsn = 0;
    s.changed = true;
  }
  if (step != RunStep::kNext) {
    return {};
  }
  RunRecord& r = *s.record;
  note_folded(s, lsn);
  if (erase) {
    if (ship_ && !r.foreign && type != LogType::kForget) {
      s.tombstone = Tombstone{r.created_lsn, c.sequence, r.outbox.waits() ? r.outbox.since_lsn : lsn, c.updated_us};
    }
    s.record.reset();
    return {};
  }
  if (ship_ && !r.foreign) {
    CAIRN_TRY(wait_with_head(r, c.sequence, c.updated_us, lsn));
  }
  r.sequence = c.sequence;
  r.updated_us = c.updated_us;
  take_change(r, std::move(decoded));
  return {};
}

// Each part is folded as if its record were alone. The run's origin is set only if the part was folded.
Status Replay::visit_received(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY_ASSIGN(auto&& received, decode_received(payload));
  for (const ReceivedPart& part : received.parts) {
    std::string id;
    if (part.type == LogType::kStart) {
      CAIRN_TRY_ASSIGN(auto&& record, decode_run_record_head(part.payload));
      id = std::move(record.id);
    } else {
      CAIRN_TRY(read_run_id(part.payload, id));
    }
    if (!wants(id)) {
      continue;
    }
    CAIRN_TRY_ASSIGN(State* const found, state(id));
    State& s = *found;
    const uint64_t before = folded_;
    if (part.type == LogType::kStart) {
      CAIRN_TRY(visit_start(part.payload, lsn));
    } else if (part.type == LogType::kDiff) {
      auto d = decode_run_diff(part.payload);
      if (d.ok() && d->created_lsn == 0) {
        d->created_lsn = lsn;  // the run starts in this same record
      }
      CAIRN_TRY(d.ok() ? visit_diff(*d, lsn, part.others_write) : d.status());
    } else if (part.type == LogType::kTexts) {
      CAIRN_TRY(visit_texts(part.payload, lsn));
    } else {
      CAIRN_TRY(visit_change(part.payload, lsn, part.type));
    }
    if (folded_ == before || !s.record) {
      continue;
    }
    if (part.origin) {
      s.record->origin = *part.origin;
    }
    s.record->others_write = s.record->others_write || part.others_write;
    if (s.record->foreign && s.record->outbox.waits()) {
      s.record->outbox.hops = std::max(s.record->outbox.hops, part.hops);
    }
  }
  for (const Received::Cursor& cursor : received.cursors) {
    cursors_[cursor.key] = cursor.payload;
  }
  return {};
}

Status Replay::visit_rebase(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY_ASSIGN(auto&& rebase, decode_rebase(payload));
  if (!wants(rebase.id)) {
    return {};
  }
  CAIRN_TRY_ASSIGN(State* const found, state(rebase.id));
  State& s = *found;
  s.last_lsn = lsn;
  if (s.record && s.record->foreign && s.record->created_lsn >= rebase.created_lsn) {
    return {};
  }
  if (classify(s, rebase.id, rebase.created_lsn, rebase.base, rebase.last, lsn) != RunStep::kNext) {
    return {};
  }
  RunRecord& r = *s.record;
  r.document = std::move(rebase.document);
  r.sequence = rebase.last;
  r.updated_us = rebase.updated_us;
  if (rebase.head) {
    take_change(r, std::move(*rebase.head));
  }
  r.ships_forms = r.ships_forms || rebase.ships_forms;
  r.others_write = r.others_write || r.origin.received();
  if (!r.outbox.waits()) {
    r.shared = rebase.upstream != r.sequence ? rebase.upstream : 0;
  } else {
    CAIRN_TRY(join_later(r.outbox));
    r.outbox.diff.last = r.sequence;
    if (r.outbox.diff.base != 0) {
      r.outbox.diff.base = rebase.upstream;
      r.outbox.starts_empty = false;
    } else {
      r.outbox.send_whole = true;  // the diff lacks what came from the upstream
    }
  }
  note_folded(s, lsn);
  return {};
}

void Replay::note_folded(State& s, uint64_t lsn) {
  s.changed = true;
  s.folded_lsn = lsn;
  ++folded_;
}

// They come after the change that they belong to, in the same record, and count if that did.
Status Replay::visit_texts(std::string_view payload, uint64_t lsn) {
  CAIRN_TRY_ASSIGN(auto&& logged, decode_run_texts(payload));
  if (!wants(logged.id)) {
    return {};
  }
  CAIRN_TRY_ASSIGN(State* const found, state(logged.id));
  State& s = *found;
  if (!s.record || s.folded_lsn != lsn ||
      s.record->created_lsn != (logged.created_lsn == 0 ? lsn : logged.created_lsn)) {
    return {};
  }
  RunRecord& r = *s.record;
  RunTexts all = r.texts ? *r.texts : RunTexts();
  take_texts(all, logged.texts);
  bytes_ += logged.texts.bytes();
  r.texts = std::make_shared<const RunTexts>(std::move(all));
  if (ship_ && !r.foreign) {
    queue_texts(r.outbox, logged.texts.kinds());
  }
  return {};
}

Status Replay::visit_note(std::string_view payload) {
  CAIRN_TRY_ASSIGN(auto&& note, decode_note(payload));
  auto name = std::pair(note.kind, note.name);
  bytes_ += note.value.size() + note.name.size();
  notes_.insert_or_assign(std::move(name), std::move(note));
  return {};
}

std::vector<Note> Replay::take_notes() {
  std::vector<Note> all;
  all.reserve(notes_.size());
  for (auto& [name, note] : notes_) {
    all.push_back(std::move(note));
  }
  notes_.clear();
  return all;
}

Status Replay::visit(const wal::RecordView& record) {
  if (!only_.empty() && !concerns(static_cast<LogType>(record.type), record.payload, only_)) {
    return {};
  }
  switch (static_cast<LogType>(record.type)) {
    case LogType::kStart:
      return visit_start(record.payload, record.lsn);
    case LogType::kDiff: {
      auto d = decode_run_diff(record.payload);
      return d.ok() ? visit_diff(*d, record.lsn) : d.status();
    }
    case LogType::kTransaction: {
      CAIRN_TRY_ASSIGN(auto&& diffs, decode_transaction(record.payload));
      for (const RunDiff& d : diffs) {
        CAIRN_TRY(visit_diff(d, record.lsn));
      }
      return {};
    }
    case LogType::kChange:
    case LogType::kErase:
    case LogType::kForget:
      return visit_change(record.payload, record.lsn, static_cast<LogType>(record.type));
    case LogType::kReceived:
      return visit_received(record.payload, record.lsn);
    case LogType::kRebase:
      return visit_rebase(record.payload, record.lsn);
    case LogType::kGroup: {
      CAIRN_TRY_ASSIGN(const auto&& parts, split_group(record.payload));
      for (const LogPart& part : parts) {
        wal::RecordView one = record;
        one.type = static_cast<uint8_t>(part.type);
        one.payload = part.payload;
        CAIRN_TRY(visit(one));
      }
      return {};
    }
    case LogType::kTexts:
      return visit_texts(record.payload, record.lsn);
    case LogType::kNote:
      return visit_note(record.payload);
  }
  return Status(Code::kVersion, "a log record of a type that this version does not know");
}

std::vector<Tables::Change> Replay::take_changes() {
  std::vector<Tables::Change> changes;
  changes.reserve(states_.size());
  for (auto& [id, s] : states_) {
    if (s.changed) {
      Tables::Change& c = changes.emplace_back();
      c.id = id;
      c.record = std::move(s.record);
      c.tombstone = s.tombstone;
    }
  }
  // Remember unknown runs: an erase later in the log may explain them.
  for (auto at = states_.begin(); at != states_.end();) {
    at = at->second.unknown_lsn == 0 ? states_.erase(at) : std::next(at);
  }
  bytes_ = 0;
  return changes;
}

std::vector<Tables::CursorChange> Replay::cursors() const {
  std::vector<Tables::CursorChange> all;
  for (const auto& [stream, cursor] : cursors_) {
    all.push_back({stream, cursor});
  }
  return all;
}

std::vector<Gap> Replay::gaps() const {
  std::vector<Gap> all = gaps_;
  for (const auto& [id, s] : states_) {
    if (s.unknown_lsn != 0) {
      all.push_back({id, s.unknown_lsn, 0, 0});
    }
  }
  return all;
}

}  // namespace cairn::engine
