// Runs that come from elsewhere as whole records. What waits here for the owner of such a run goes on top (claim).
#include "engine/store.h"

namespace cairn::engine {

// One of that id gives way without an erase: replay takes a start record of a later LSN for the run's next life, so
// there is no moment at which a crash leaves neither of them.
Status Store::import_run(RunRecord record, bool replace, Durability durability) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  record.created_lsn = 0;
  record.session = 0;  // of no open: orphaned unless it is finished
  if (const Status s = check_run_record(record); !s.ok()) {
    return fail(s, std::string(s.what) + ": not as a run has it", record.id.substr(0, 80));
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
  CAIRN_TRY(check_metadata(record.document));
  CAIRN_TRY(check_depth(record.document));

  CAIRN_TRY(can_promise(durability));
  const std::string id = record.id;
  uint64_t lsn = 0;
  bool claims = false;
  {
    std::unique_lock start_guard(start_mutex_);
    if (const Code gate = this->gate(); gate != Code::kOk) {
      return fail(gate, gate == Code::kClosed ? "the store is closed" : "the store takes no updates now");
    }
    auto existing = load_run(record.id);
    if (!existing.ok() && existing.code() != Code::kNoSuchRun) {
      return existing.status();
    }
    Run* old = existing.ok() ? &**existing : nullptr;
    std::unique_lock<RunLock> old_guard;
    if (old != nullptr) {
      old_guard = std::unique_lock(old->lock);
      if (old->gate == Code::kErased) {
        old_guard.unlock();
        old = nullptr;
      } else if (old->record.foreign) {
        CAIRN_TRY(owned_by_another(*old));
        claims = true;
      } else if (!replace) {
        return fail(Code::kExists, "a run of this id is in the store", record.id);
      } else if (!old->live.pending().empty()) {
        CAIRN_TRY(write_detached(*old));
        detach(*old);
      }
    }
    if (!claims) {
      auto run = append_start(std::move(record), old, start_guard, Durability::kProcess);
      if (!run.ok()) {
        return run.status();
      }
      lsn = (*run)->record.created_lsn;
    }
  }
  if (claims) {
    auto run = claim(record, durability);
    return run.ok() && *run == nullptr ? import_run(std::move(record), replace, durability) : run.status();
  }
  return keep_promise(durability, lsn, std::span(&id, 1));
}

}  // namespace cairn::engine
