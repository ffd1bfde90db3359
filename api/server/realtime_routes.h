// GET /realtime/v1/...: runs that a client follows, over Electric's HTTP shape protocol.
#pragma once

#include <vector>

#include "api/server/route_table.h"
#include "api/server/run_storage.h"
#include "api/server/subscriptions.h"

namespace cairn::server {

/// GET /realtime/v1/runs/:id, /realtime/v1/runs and /realtime/v1/batches/:id. `storage` and `subscriptions` must live
/// longer than the table that has them, and that table's `let_go` must call that of `subscriptions`.
std::vector<Route> realtime_routes(RunStorage& storage, Subscriptions& subscriptions);

}  // namespace cairn::server
