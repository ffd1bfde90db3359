// A run that is updated before it is started: as a parent, it was taken for one that is owned elsewhere. Its start
// makes it this store's own.
//
// What must hold, whenever the process dies (tests/sync/claim_model_test.cc tries all orders):
// - what waits here for the owner is in the start record, or waits still: one log record takes it out of the outbox and
//   puts it into the document;
// - what is frozen or sent stays so. It is not in the start record: it comes to the run at the upstream as what others
//   did, or comes back and is taken in (StrandedDeltas::receive);
// - nothing is frozen between the look at what waits and the sync of the record that takes it. So the sender stands
//   still until that sync.
#include "engine/base/error_detail.h"
#include "engine/diff/evaluate.h"
#include "engine/diff/put_on_top.h"
#include "engine/store/lifecycle.h"
#include "engine/store/upstream_sender.h"

namespace cairn::engine {

// With the run's lock held.
Status Lifecycle::owned_by_another(const Run& run) {
  std::optional<std::array<uint8_t, 16>> owner = run.record.foreign ? run.named_owner : std::nullopt;
  if (run.record.origin.received()) {
    owner = run.record.origin.owner;
  }
  if (!owner) {
    return {};
  }
  return fail(Code::kExists, owner_text(*owner) + " owns the run of this id: take another id", run.id);
}

// Null: the run is not, or not any more, one that is owned elsewhere.
Result<RunRef> Lifecycle::claim(RunRecord& record, Durability durability, const std::vector<Note>& notes) {
  RunRef run;
  uint64_t lsn = 0;
  {
    const MutexLock sync_guard(sender_.mutex());
    const MutexLock checkpoint_guard(checkpointer_.mutex());
    if (sender_.halted()) {
      return fail(Code::kInvalidArgument,
                  "the store's files were moved or copied, and the other store may send what waits here for this run: "
                  "say which first (cairn sync --moved or --copied)",
                  record.id);
    }
    CAIRN_TRY(run_log_.sync_all());
    CAIRN_TRY(checkpointer_.fold());  // so that little is left to do under the run's lock
    const MutexLock start_guard(runs_.start_mutex());
    CAIRN_TRY(gate_.check());
    auto found = runs_.load(record.id);
    if (!found.ok()) {
      return found.code() == Code::kNoSuchRun ? Result<RunRef>(RunRef()) : found.status();
    }
    run = std::move(*found);
    CAIRN_TRY(resolve_relatives(record));  // it locks the parent, which no one does who has locked another run
    {
      const RunGuard guard(run->lock);
      if (run->gate == Code::kErased || !run->record.foreign) {
        return RunRef();
      }
      CAIRN_TRY(owned_by_another(*run));
      CAIRN_TRY(claim_locked(*run, record, lsn, notes));
    }
    CAIRN_TRY(run_log_.sync(lsn));  // the next fold, which may be the sender's, has it
  }
  CAIRN_TRY(durability_.wait(durability, lsn, std::span(&run->id, 1)));
  return run;
}

// The run itself changes, so handles that were made before go on.
Status Lifecycle::claim_locked(Run& run, RunRecord& record, uint64_t& lsn, const std::vector<Note>& notes) {
  const Attachments with{record.texts, notes};
  auto waits = checkpointer_.folded_record(run);
  CAIRN_TRY(waits.status());
  const auto left_out = put_on_top(waits->outbox.diff, options_.metadata_bytes_max, record.document);
  record.sequence = std::max(record.sequence, run.sequence + 1);
  std::string payload;
  append_run_record(payload, record);
  if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large({}, payload.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  CAIRN_TRY(run_log_.append_for(run, {{LogType::kStart, std::move(payload)}}, &lsn, &with));
  const StatusCounts::Place before = StatusCounts::of(run.record);
  run.sequence = record.sequence;
  run.updated_us = record.updated_us;
  run.live.reset(std::exchange(record.document, Document()), run.sequence);
  run.record = std::move(record);
  run.record.created_lsn = lsn;
  run.outbox_since = Diff();
  run.gate = gate_of(run.record);
  counts_.move(before, StatusCounts::of(run.record));
  run.version.store(run.sequence, std::memory_order_release);
  foreign_outbox_.log_left_out(run.id, left_out);
  return {};
}

}  // namespace cairn::engine
