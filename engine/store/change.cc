// Changes of a run that are no updates of its document: status, session, tags, erase.
#include "engine/base/error_detail.h"
#include "engine/records/log_record.h"
#include "engine/store/run_writer.h"

namespace cairn::engine {

// With the run's lock held: one append with the seal of what is pending and then the change.
Status RunWriter::append_change(Run& run, RunChange change, uint64_t* lsn, bool forgets, const Attachments* with) {
  CAIRN_TRY(run_log_->detach_pending(run));
  const bool erase = !change.status && !change.session && !change.tags && !change.details;
  if (!run.record.owned_here() && !erase) {
    return check_owned(run);
  }
  const StatusCounts::Place before = StatusCounts::of(run.record);
  change.id = run.id;
  change.created_lsn = run.record.created_lsn;
  change.sequence = run.sequence + 1;
  change.updated_us = now_us();
  std::string payload;
  engine::append_change(payload, change);
  const LogType type = forgets ? LogType::kForget : erase ? LogType::kErase : LogType::kChange;
  CAIRN_TRY(run_log_->append_for(run, {{type, std::move(payload)}}, lsn, with));
  run.sequence = change.sequence;
  run.updated_us = change.updated_us;
  run.live.clear_pending(run.sequence);
  dirty_->remove(run);
  if (change.status) {
    run.gate = is_final(*change.status) ? Code::kFinished : Code::kOk;
  }
  take_change(run.record, std::move(change));
  if (erase) {
    run.gate = Code::kErased;
    run.record.outbox = OutboxRow();
  }
  counts_->move(before, erase ? StatusCounts::none() : StatusCounts::of(run.record));
  run.version.store(run.sequence, std::memory_order_release);
  return {};
}

Status RunWriter::check_owned(const Run& run) {
  return run.record.owned_here() || run.gate == Code::kErased
             ? Status()
             : fail(Code::kInvalidArgument, "the run is owned elsewhere: only its metadata can be updated from here",
                    run.id);
}

}  // namespace cairn::engine
