// A directory without STORE: one that holds nothing, or what a creation left that a crash cut. Nothing was acknowledged
// before STORE was there.
#pragma once

#include <string>

#include "cairn/status.h"
#include "wal/files.h"

namespace cairn::engine {

/// kNotAStore: the directory holds files that no creation leaves.
Status check_unborn(const std::string& directory);
/// Removes what a cut creation left. kNotAStore, kCorrupt: there was a store, or files that are not ours.
Status clear_unborn(wal::Files& files, const std::string& directory);

}  // namespace cairn::engine
