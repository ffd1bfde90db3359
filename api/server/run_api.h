// The routes of runs: what the npm client of Trigger.dev calls, and Cairn's own. They see runs only through RunStorage.
#pragma once

#include <vector>

#include "api/server/api_options.h"
#include "api/server/route_table.h"
#include "api/server/run_storage.h"

namespace cairn::server {

/// `storage` and the keys must live longer than the table that has the routes. What watches runs is not among them.
std::vector<Route> run_routes(RunStorage& storage, ApiOptions options);

}  // namespace cairn::server
