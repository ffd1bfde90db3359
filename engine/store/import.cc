// Runs that come from elsewhere as whole records. What waits here for the owner of such a run goes on top (claim).
#include "engine/base/error_detail.h"
#include "engine/store/lifecycle.h"

namespace cairn::engine {

Status Lifecycle::check_imported(RunRecord& record) const {
  if (const Status s = check_run_record(record); !s.ok()) {
    return fail_with_cause("the run cannot be imported", s, record.id.substr(0, 80));
  }
  if (record.sequence == 0 || is_final(record.status) != (record.finished_us != 0)) {
    return fail(
        Code::kInvalidArgument,
        record.sequence == 0 ? "a run's sequence is 1 or more" : "a run is finished if and only if its status is final",
        record.id);
  }
  if (record.sequence > kSequenceMax) {
    return fail(Code::kInvalidArgument, "a run's sequence is at most " + std::to_string(kSequenceMax), record.id);
  }
  if (const Status s = check_relatives(record.id, record.parent, record.root); !s.ok()) {
    return fail(s, s.what, record.id);
  }
  return check_document(record.document);
}

// A run of that id is replaced without an erase: replay takes a start record of a later LSN for the run's next life, so
// there is no moment at which a crash leaves neither of them.
Status Lifecycle::import_run(RunRecord record, bool replace, Durability durability) {
  CAIRN_TRY(gate_.check_process());
  record.created_lsn = 0;
  // Of no open: orphaned unless it is finished, or was triggered and never taken.
  const bool waits = record.details && record.details->started_us == 0;
  record.session =
      waits && (record.status == RunStatus::kQueued || record.status == RunStatus::kDelayed) ? kSessionOfNone : 0;
  CAIRN_TRY(check_imported(record));
  CAIRN_TRY(durability_.check(durability));
  const std::string id = record.id;
  uint64_t lsn = 0;
  bool claims = false;
  {
    const MutexLock start_guard(runs_.start_mutex());
    if (const Code gate = gate_.code(); gate != Code::kOk) {
      return gate == Code::kClosed ? fail_closed() : fail(gate, "the store takes no updates now");
    }
    auto existing = runs_.load(record.id);
    if (!existing.ok() && existing.code() != Code::kNoSuchRun) {
      return existing.status();
    }
    Run* old = existing.ok() ? &**existing : nullptr;
    std::optional<RunGuard> old_guard;
    if (old != nullptr) {
      old_guard.emplace(old->lock);
      old->lock.assert_held();
      if (old->gate == Code::kErased) {
        old_guard.reset();
        old = nullptr;
      } else if (old->record.foreign) {
        CAIRN_TRY(owned_by_another(*old));
        claims = true;
      } else if (!replace) {
        return fail(Code::kExists, "a run of this id is in the store", record.id);
      } else {
        CAIRN_TRY(run_log_.detach_pending(*old));
      }
    }
    if (!claims) {
      CAIRN_TRY(append_start(std::move(record), old, lsn).status());
    }
  }
  if (claims) {
    auto run = claim(record, durability);
    return run.ok() && *run == nullptr ? import_run(std::move(record), replace, durability) : run.status();
  }
  return durability_.wait(durability, lsn, std::span(&id, 1));
}

}  // namespace cairn::engine
