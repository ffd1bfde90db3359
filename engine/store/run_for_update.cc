#include "engine/store/run_for_update.h"

#include "engine/base/error_detail.h"

namespace cairn::engine {

namespace {

// Known by a child alone, and not updated before. kNoSuchRun: no run here names it as its parent.
Result<RunRef> parent_that_is_named(Store& store, const std::string& id) {
  RunQuery children;
  children.parent = id;
  children.limit = 1;
  std::string child;
  const auto listed = store.list(
      children,
      [&child](const RunView& view) {
        child = view.record.id;
        return false;
      },
      false);
  if (!listed.ok()) {
    return listed.status();
  }
  Result<RunRef> run = child.empty() ? Status(Code::kNoSuchRun, "no such run") : store.find(child);
  return run.ok() ? store.parent(**run) : run;
}

}  // namespace

Status fail_owned_elsewhere(std::string_view id) {
  return fail(Code::kUnapplied,
              "the run is owned elsewhere: only the store that owns it resumes and finishes it; from here its metadata "
              "can be changed",
              id);
}

Status check_owned_here(Store& store, Run& run) {
  return store.view(run, false).record.owned_here() ? Status() : fail_owned_elsewhere(run.id);
}

// One that is owned elsewhere has no life here that could be resumed, and takes updates all the same.
Result<RunRef> run_for_update(Store& store, const std::string& id, Durability durability) {
  auto run = store.find(id);
  if (run.code() == Code::kNoSuchRun) {
    run = parent_that_is_named(store, id);
  }
  if (!run.ok()) {
    return run;
  }
  const RunRecord record = store.view(**run, false).record;
  return record.owned_here() && record.session != kSessionOfNone ? store.resume(id, durability) : run;
}

}  // namespace cairn::engine
