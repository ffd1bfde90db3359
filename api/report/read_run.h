// A run read from the object that run_json() makes of it: for those who show a run that a server answered as if they had
// read it themselves.
#pragma once

#include <cstdint>

#include "cairn/status.h"
#include "engine/json/value.h"
#include "engine/records/run_view.h"

namespace cairn::report {

/// What is not in the object stays unset: LSNs, the session, who owns the run. Times are whole milliseconds. `children`,
/// if given, gets how many there are, or 0. kInvalidArgument: it is no such object; the detail names the member.
Result<engine::RunView> read_run(const engine::Object& object, uint64_t* children = nullptr);

}  // namespace cairn::report
