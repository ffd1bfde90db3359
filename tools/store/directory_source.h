// One store's directory as a source of runs.
#pragma once

#include <memory>

#include "engine/reader/store_reader.h"
#include "tools/output/globals.h"
#include "tools/store/run_source.h"

namespace cairn::tools {

/// `globals` outlives the source.
std::unique_ptr<RunSource> source_of(const Globals& globals, std::unique_ptr<engine::StoreReader> reader);

}  // namespace cairn::tools
