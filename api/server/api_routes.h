// The groups of routes that run_routes() gathers; each adds its own to `routes`.
#pragma once

#include <memory>
#include <vector>

#include "api/server/api_call.h"

namespace cairn::server {

using SharedApi = std::shared_ptr<const Api>;

void add_trigger_route(const SharedApi& api, std::vector<Route>& routes);
void add_reading_routes(const SharedApi& api, std::vector<Route>& routes);  // retrieve, list
void add_metadata_routes(const SharedApi& api, std::vector<Route>& routes);
void add_control_routes(const SharedApi& api, std::vector<Route>& routes);  // cancel, tags, replay, reschedule, keys
void add_batch_routes(const SharedApi& api, std::vector<Route>& routes);
void add_own_routes(const SharedApi& api, std::vector<Route>& routes);  // Cairn's, for those who work on runs
void add_own_reading_routes(const SharedApi& api, std::vector<Route>& routes);
void add_command_routes(const SharedApi& api, std::vector<Route>& routes);    // what the commands of `cairn` change
void add_following_routes(const SharedApi& api, std::vector<Route>& routes);  // and what they read beside
void add_not_served(const SharedApi& api, std::vector<Route>& routes);        // the last: what the others do not take

}  // namespace cairn::server
