// POST /v1/sync: the messages of other stores (engine/sync/PROTOCOL.md, "Over HTTP").
#pragma once

#include "api/server/route_table.h"
#include "engine/sync/receiver.h"

namespace cairn::server {

/// `receiver` must live longer than the table that has the route.
Route sync_route(engine::sync::Receiver& receiver);

/// GET /healthz
Route health_route();

}  // namespace cairn::server
