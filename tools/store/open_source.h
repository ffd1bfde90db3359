// Opening what a reading command reads.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tools/output/globals.h"
#include "tools/store/run_source.h"

namespace cairn::tools {

/// What --store or CAIRN_STORE names. Null: reported, `exit` says how to end. `globals` outlives the source.
std::unique_ptr<RunSource> open_source(const Globals& globals, bool salvage, Exit& exit);

/// The run. Nothing: reported, also that there is no such run.
std::optional<engine::RunView> find_run(const Globals& globals, RunSource& source, const std::string& id, Exit& exit,
                                        bool with_texts = false);

}  // namespace cairn::tools
