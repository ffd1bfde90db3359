// A run as Cairn's own routes answer it: as `cairn ls --json` and `cairn show --json` print it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/server/local_store.h"
#include "api/server/run_storage.h"
#include "engine/json/value.h"
#include "engine/records/run_view.h"

namespace cairn::server {

/// Without metadata and texts.
engine::RunView head_of(const RunView& run);

/// JSON text of an object. `head_only`: without the metadata.
std::string own_row(const RunView& run, bool head_only);
/// With the texts, the number of children, and if it is known, how far its changes have come.
std::string own_run(const RunView& run, uint64_t children, const RunDurability* durability);

}  // namespace cairn::server
