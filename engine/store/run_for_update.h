// The run that an update from outside is for: what a command on a directory, and a request to a server, take.
#pragma once

#include <string>

#include "engine/store/store.h"

namespace cairn::engine {

/// Resumed, if it is this store's and no run that waits to be taken. One that is owned elsewhere also if a run here names
/// it as its parent and nothing was done to it yet. kNoSuchRun; errors of resume().
Result<RunRef> run_for_update(Store& store, const std::string& id, Durability durability = Durability::kDefault);

/// kUnapplied of a run that another store owns: only that store resumes and finishes it.
Status check_owned_here(Store& store, Run& run);
Status fail_owned_elsewhere(std::string_view id);

}  // namespace cairn::engine
