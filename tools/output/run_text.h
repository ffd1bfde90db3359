// One run for people and as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/report/run_json.h"
#include "engine/json/value.h"
#include "engine/store/store.h"

namespace cairn::tools {

using report::run_json;

/// On stdout, what starting or resuming prints: the id, or with `json` the run.
void print_started(const engine::RunView& run, bool json);

/// "EXECUTING (orphaned)"; "(elsewhere)" of a run that is owned elsewhere, for its status is not known here.
std::string status_text(const engine::RunView& run);

/// The document's "progress" if it is a number in [0, 1].
std::optional<double> progress_of(const engine::RunView& run);

/// JSON text with two blanks a level; empty containers and the arrays of few scalars stay on one line.
std::string pretty_json(const engine::Value& value);

/// Head and metadata, for `cairn show`.
std::string describe_run(const engine::RunView& run, uint64_t children, int64_t now_us);

}  // namespace cairn::tools
