#include "engine/store/start_or_resume.h"

namespace cairn::engine {

namespace {

bool own_run(Store& store, const Result<RunRef>& run) {
  return run.ok() && store.view(**run, false).record.owned_here();
}

}  // namespace

Result<RunRef> start_or_resume(Store& store, const StartOptions& options, Durability durability) {
  if (options.id.empty()) {
    return fail(Code::kInvalidArgument, "start or resume: give the run's id; without one there is nothing to resume");
  }
  // Another thread may start or erase the run between two calls: then it is looked for again.
  while (true) {
    if (auto found = store.find(options.id); own_run(store, found)) {
      auto resumed = store.resume(options.id, durability);
      if (resumed.code() == Code::kFinished) {
        return fail(Code::kFinished, "a finished run of this id is in the store: take another id, or erase it",
                    options.id);
      }
      if (resumed.code() != Code::kNoSuchRun && resumed.code() != Code::kErased) {
        return resumed;
      }
    } else if (!found.ok() && found.code() != Code::kNoSuchRun) {
      return found;
    }
    auto started = store.start(options, durability);
    const bool taken = started.code() == Code::kExists || started.code() == Code::kRunning;
    if (!taken) {
      return started;
    }
    const ErrorDetail why = error_detail();
    if (!own_run(store, store.find(options.id))) {
      error_detail() = why;
      return started;
    }
  }
}

}  // namespace cairn::engine
