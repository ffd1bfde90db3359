// Parents and roots of runs. One that is not in this store is owned elsewhere: a record of it is made, whose updates
// wait for its owner (foreign.cc).
#include "engine/store/lifecycle.h"

namespace cairn::engine {

namespace {

// A copy: the start of a run that was taken for one owned elsewhere gives it a parent.
std::string relative(Run& run, std::string RunRecord::*which) {
  const RunGuard guard(run.lock);
  return run.record.*which;
}

}  // namespace

Result<RunRef> Lifecycle::related(Run& run, std::string_view id) {
  CAIRN_TRY(gate_.check_process());
  if (id.empty()) {
    return RunRef(run.shared_from_this());
  }
  auto found = runs_.load(id);
  if (found.ok()) {
    const RunGuard guard((*found)->lock);
    if ((*found)->gate != Code::kErased) {
      return found;
    }
  } else if (found.code() != Code::kNoSuchRun) {
    return found;
  }
  RunRecord record;
  record.id = id;
  record.foreign = true;
  record.sequence = 1;
  record.session = options_.session;
  record.created_us = record.updated_us = now_us();
  return start_record(std::move(record), Durability::kDefault);
}

Result<RunRef> Lifecycle::parent(Run& run) { return related(run, relative(run, &RunRecord::parent)); }
Result<RunRef> Lifecycle::root(Run& run) { return related(run, relative(run, &RunRecord::root)); }

}  // namespace cairn::engine
