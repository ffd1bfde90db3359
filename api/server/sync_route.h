// POST /v1/sync: the messages of other stores (engine/sync/PROTOCOL.md, "Over HTTP").
#pragma once

#include <functional>
#include <string>

#include "api/server/route_table.h"
#include "engine/sync/receiver.h"

namespace cairn::server {

/// `receiver` must live longer than the table that has the route.
Route sync_route(engine::sync::Receiver& receiver);

/// GET /healthz
Route health_route();
/// GET /readyz: 200, or 503 with why not, where `why_not` says anything.
Route ready_route(std::function<std::string()> why_not);

}  // namespace cairn::server
