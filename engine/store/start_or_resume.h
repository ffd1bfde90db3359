// What a worker calls first: its run, whether it is there already or not.
#pragma once

#include "engine/store/store.h"

namespace cairn::engine {

/// The run `options.id`: resumed if this store owns it and it is not finished, else started. The other options but
/// `durability` are of a run that is started. kInvalidArgument without an id, kFinished, kExists for a run owned
/// elsewhere; else as Store::start and Store::resume.
Result<RunRef> start_or_resume(Store& store, const StartOptions& options, Durability durability = Durability::kDefault);

}  // namespace cairn::engine
