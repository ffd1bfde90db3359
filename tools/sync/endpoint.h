// What `cairn serve` answers to a request: POST /v1/sync and GET /healthz (engine/sync/PROTOCOL.md, "Over HTTP").
#pragma once

#include "api/http/server.h"
#include "engine/sync/receiver.h"

namespace cairn::tools {

/// Threads: any.
http::Response answer_sync(engine::sync::Receiver& receiver, const http::Request& request);

}  // namespace cairn::tools
