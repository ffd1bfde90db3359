// A directory of slots as one source of runs.
#pragma once

#include <memory>
#include <string>

#include "tools/output/globals.h"
#include "tools/store/run_source.h"

namespace cairn::tools {

/// `directory` is one of slots (is_directory_of_slots). `globals` outlives the source.
Result<std::unique_ptr<RunSource>> source_of_slots(const Globals& globals, const std::string& directory, bool salvage);

}  // namespace cairn::tools
