#include "engine/store/rebase.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/diff/evaluate.h"
#include "engine/diff/fold.h"
#include "engine/diff/nesting.h"
#include "engine/diff/put_on_top.h"
#include "engine/tables/format.h"

namespace cairn::engine {

// The run takes the upstream's document, with what waits here on top, by one log record. `newer`: and the rest of it,
// for it is a later state of the owner's, which this store is.
Status Rebase::rebase(const sync::Documents::Run& upstream, bool newer) {
  auto run = runs_.load(upstream.id);
  if (!run.ok()) {
    return run.code() == Code::kNoSuchRun ? Status() : run.status();
  }
  Run& r = **run;
  const RunGuard guard(r.lock);
  if (r.gate == Code::kErased || r.record.foreign) {
    return {};
  }
  auto record = checkpointer_.folded_record(r);
  CAIRN_TRY(record.status());
  OutboxRow row = record->outbox;
  CAIRN_TRY(join_later(row));
  auto of = outbox_.queries().of_run(r.id);
  CAIRN_TRY(of.status());
  if (of->in_flight) {
    return {};  // halted: what is on its way is neither there nor here
  }
  const bool held = of->dead && of->dead->row.waits();
  if (!newer && std::pair(upstream.origin.life, upstream.origin.sequence) !=
                    std::pair(r.record.created_lsn, held ? of->dead->row.base() : record->shared_sequence())) {
    return {};  // the upstream was restored, or this store was: the next batch finds that out
  }
  RunRebase to;
  to.id = r.id;
  to.created_lsn = r.record.created_lsn;
  to.base = r.sequence;
  // Where nothing waits here the run is at the very sequence that the upstream has, and known to be.
  to.last = std::max(r.sequence + 1, newer ? upstream.origin.sequence + (record->outbox.waits() ? 1 : 0) : 0);
  to.upstream = upstream.origin.sequence;
  to.ships_forms = upstream.others_write;
  to.updated_us = r.updated_us;
  to.document = upstream.document;
  Diff waits = row.diff;
  if (held) {
    // That was before it.
    Diff all = of->dead->row.diff;
    if (row.waits()) {
      all.last = waits.base;
      CAIRN_TRY(engine::fold(all, waits, kStoredOperationsMax));
    }
    waits = std::move(all);
  }
  // That it crashed is this store's own guess.
  if (newer && (!row.sends_status || (record->status == RunStatus::kCrashed && is_final(upstream.head.status)))) {
    RunChange& head = to.head.emplace();
    head.id = r.id;
    head.created_lsn = r.record.created_lsn;
    head.sequence = to.last;
    head.updated_us = is_final(upstream.head.status) ? upstream.head.finished_us : r.updated_us;
    head.status = upstream.head.status;
    head.tags = upstream.head.tags;
    head.error = upstream.head.error;
    head.details = upstream.head.details;
    to.updated_us = head.updated_us;
  }
  if (waits.last != 0) {
    for (DiffEntry& e : waits.entries) {
      if (!upstream.origin.received() || e.form.kind == FormKind::kSet || e.form.kind == FormKind::kDelete) {
        continue;
      }
      const int at = to.document.find(e.key);
      std::optional<Value> value = at < 0 ? std::nullopt : std::optional<Value>(to.document.member(at).value);
      if (record->ships_forms || upstream.others_write) {
        static_cast<void>(evaluate(e.key, e.form, value));
        e.value = value;
        e.gone = false;
        e.form = Form(value ? FormKind::kSet : FormKind::kDelete);
      }
    }
    CAIRN_TRY(engine::apply(waits, to.document));
  }
  if (const Status s = check_nesting(to.document, kStoredDepthMax); !s.ok()) {
    write_log(hooks_, LogLevel::kWarning, s.code,
              "run " + r.id + " does not take its upstream's document: it is nested too deep");
    return {};
  }
  if (!newer && waits.last == 0 && to.document == r.live.document()) {
    return {};  // nothing is different
  }
  std::string payload;
  append_rebase(payload, to);
  CAIRN_TRY(run_log_.append_for(r, {{LogType::kRebase, std::move(payload)}}, nullptr));
  rebased_ = true;
  if (r.record.origin.received()) {  // this store is a relay, and its upstream's word is not the owner's
    r.record.others_write = true;
    r.gate = r.gate == Code::kAccepted ? Code::kOk : r.gate;
  }
  if (to.head) {
    const StatusCounts::Place before = StatusCounts::of(r.record);
    take_change(r.record, std::move(*to.head));
    r.gate = gate_of(r.record);
    counts_.move(before, StatusCounts::of(r.record));
    r.updated_us = to.updated_us;
  }
  r.sequence = to.last;
  r.live.reset(std::move(to.document), r.sequence);
  r.version.store(r.sequence, std::memory_order_release);
  dirty_.remove(r);
  return {};
}

Result<bool> Rebase::take_document(const sync::Documents::Run& run) {
  checkpointer_.mutex().assert_held();
  if (run.origin.owner != outbox_.state().owner) {
    return false;
  }
  auto record = runs_.tables()->find_for_fold(run.id);
  CAIRN_TRY(record.status());
  if (*record && (*record)->foreign) {
    return false;  // started here before this store was restored: known again as one of elsewhere
  }
  if (*record && std::pair(run.origin.life, run.origin.sequence) <=
                     std::pair((*record)->created_lsn, (*record)->shared_sequence())) {
    return false;  // of another generation, and no later
  }
  CAIRN_TRY(outbox_.stream().note_restored());
  CAIRN_TRY(rebase(run, true));
  return true;
}

bool Rebase::refreshed(const sync::Documents::Run& upstream, bool late) {
  checkpointer_.mutex().assert_held();
  auto found = runs_.load(upstream.id);
  if (!found.ok() || !upstream.found) {
    return !upstream.found || found.code() == Code::kNoSuchRun;
  }
  Run& run = **found;
  bool own = false;
  {
    const RunGuard guard(run.lock);
    if (late && std::tie(upstream.life, upstream.version) < std::tie(run.seen_life, run.seen_version)) {
      return true;  // an older answer: never backwards
    }
    own = !run.record.foreign;
    if (!own) {
      if (upstream.origin.owner != outbox_.state().owner) {
        run.named_owner = upstream.origin.owner;
      }
      // Only here, and only in memory: what waits for the owner is on top.
      Document document = upstream.document;
      (void)put_on_top(run.record.outbox.diff, document);
      run.live.reset(std::move(document), run.sequence);
    }
  }
  if (own && upstream.origin.owner == outbox_.state().owner) {
    const Status s = rebase(upstream, false);
    if (!s.ok()) {
      write_log(hooks_, LogLevel::kWarning, s.code,
                "run " + upstream.id + " could not take its upstream's state: " + s.what);
      return false;
    }
  }
  const RunGuard guard(run.lock);
  run.seen_life = upstream.life;
  run.seen_version = upstream.version;
  return true;
}

// It may be the last record of the log, and nothing else syncs it where no steps are made: it would never be folded.
Status Rebase::flush() {
  checkpointer_.mutex().assert_held();
  return std::exchange(rebased_, false) ? flusher_.flush(true) : Status();
}

}  // namespace cairn::engine
