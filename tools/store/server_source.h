// Runs read from a `cairn serve`, by the routes below /cairn/v1.
#pragma once

#include <memory>

#include "tools/store/run_source.h"
#include "tools/store/server_link.h"

namespace cairn::tools {

/// Lists, and whole runs, come page by page: each page is of one moment, and a run that does not change meanwhile is
/// neither left out nor shown twice.
std::unique_ptr<RunSource> source_of(std::unique_ptr<ServerLink> link);

}  // namespace cairn::tools
