// GET /cairn/v1/events
#pragma once

#include "api/server/event_streams.h"
#include "api/server/route_table.h"

namespace cairn::server {

/// `streams` must live longer than the table that has the route.
Route event_route(EventStreams& streams);

}  // namespace cairn::server
