// A run that is updated before it is started: as a parent, it was taken for one that is owned elsewhere. Its start
// makes it this store's own.
//
// What must hold, whenever the process dies (tests/sync/claim_model_test.cc tries all orders):
// - what waits here for the owner is in the start record, or waits still: one log record takes it out of the outbox and
//   puts it into the document;
// - what is frozen or sent stays so. It is not in the start record: it comes to the run at the upstream as what others
//   did, or comes back and is taken in (land_stranded);
// - nothing is frozen between the look at what waits and the sync of the record that takes it. So the sender stands
//   still until that sync.
#include "engine/evaluate.h"
#include "engine/store.h"

namespace cairn::engine {

std::string owner_text(const std::array<uint8_t, 16>& owner) {
  if (owner == std::array<uint8_t, 16>{}) {
    return "the upstream itself";
  }
  std::string text = "the store ";
  for (const uint8_t byte : owner) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// With the run's lock held.
Status Store::owned_by_another(const Run& run) {
  std::optional<std::array<uint8_t, 16>> owner = run.record.foreign ? run.named_owner : std::nullopt;
  if (run.record.origin.received()) {
    owner = run.record.origin.owner;
  }
  if (!owner) {
    return {};
  }
  return fail(Code::kExists, owner_text(*owner) + " owns the run of this id: take another id", run.id);
}

// What was done to the run before its owner's first word goes on top of that. What does not fit is left out as what
// does not apply: the owner is not to be held up by others.
void Store::log_left_out(const std::string& id, const std::vector<std::string>& keys) const {
  for (const std::string& key : keys) {
    log(LogLevel::kWarning, Code::kTooLarge,
        "run " + id + ": a change of its key \"" + key.substr(0, 64) +
            "\" that waited for the owner is left out: the value would be too deep, or the metadata too large");
  }
}

// Null: the run is not, or not any more, one that is owned elsewhere.
Result<RunRef> Store::claim(RunRecord& record, Durability durability) {
  RunRef run;
  uint64_t lsn = 0;
  {
    const std::lock_guard sync_guard(sync_mutex_);
    const std::lock_guard checkpoint_guard(checkpoint_mutex_);
    if (outbox_->state().halt != sync::Halt::kNone) {
      return fail(Code::kInvalidArgument,
                  "the store's files were moved or copied, and the other store may send what waits here for this run: "
                  "say which first (cairn sync --moved or --copied)",
                  record.id);
    }
    CAIRN_TRY(synced(writer_->written_lsn()));
    CAIRN_TRY(checkpoint_locked());  // so that little is left to do under the run's lock
    const std::lock_guard start_guard(start_mutex_);
    if (const Code gate = this->gate(); gate != Code::kOk) {
      return refuse(gate);
    }
    auto found = load_run(record.id);
    if (!found.ok()) {
      return found.code() == Code::kNoSuchRun ? Result<RunRef>(RunRef()) : found.status();
    }
    run = std::move(*found);
    CAIRN_TRY(resolve_root(record));  // it locks the parent, which no one does who has locked another run
    {
      const std::lock_guard guard(run->lock);
      if (run->gate == Code::kErased || !run->record.foreign) {
        return RunRef();
      }
      CAIRN_TRY(owned_by_another(*run));
      CAIRN_TRY(claim_locked(*run, record, lsn));
    }
    CAIRN_TRY(synced(lsn));  // the next fold, which may be the sender's, has it
  }
  CAIRN_TRY(keep_promise(durability, lsn, std::span(&run->id, 1)));
  return run;
}

// The run itself changes, so handles that were made before go on.
Status Store::claim_locked(Run& run, RunRecord& record, uint64_t& lsn) {
  auto waits = folded_record(run);
  CAIRN_TRY(waits.status());
  const auto left_out = put_on_top(waits->outbox.diff, options_.metadata_bytes_max, record.document);
  record.sequence = std::max(record.sequence, run.sequence + 1);
  std::string payload;
  append_run_record(payload, record);
  if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large({}, payload.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  CAIRN_TRY(append_for(run, {{LogType::kStart, std::move(payload)}}, &lsn));
  log_left_out(run.id, left_out);
  run.sequence = record.sequence;
  run.updated_us = record.updated_us;
  run.live.reset(std::exchange(record.document, Document()), run.sequence);
  run.record = std::move(record);
  run.record.created_lsn = lsn;
  run.outbox_since = Diff();
  run.gate = gate_of(run.record);
  finished_ += run.gate == Code::kFinished ? 1 : 0;
  run.version.store(run.sequence, std::memory_order_release);
  return {};
}

}  // namespace cairn::engine
