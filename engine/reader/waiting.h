// What waits to be sent upstream, for a reader beside the owner.
#pragma once

#include "cairn/status.h"
#include "engine/sync/outbox_queries.h"
#include "engine/tables/tables.h"

namespace cairn::engine {

/// As sync::OutboxQueries::waiting(), and the sender's state, as of one transaction; `waiting.moves` is left out.
Status look_at_waiting(TablesTxn& txn, sync::SenderState& sender, sync::OutboxQueries::Waiting& waiting);

}  // namespace cairn::engine
