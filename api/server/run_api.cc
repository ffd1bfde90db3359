#include "api/server/run_api.h"

#include <memory>
#include <utility>

#include "api/server/api_routes.h"

namespace cairn::server {

std::vector<Route> run_routes(RunStorage& storage, ApiOptions options) {
  const auto api = std::make_shared<const Api>(Api{storage, std::move(options)});
  std::vector<Route> out;
  add_trigger_route(api, out);
  add_reading_routes(api, out);
  add_metadata_routes(api, out);
  add_control_routes(api, out);
  add_batch_routes(api, out);
  add_own_routes(api, out);
  add_own_reading_routes(api, out);
  add_command_routes(api, out);
  add_following_routes(api, out);
  add_not_served(api, out);
  return out;
}

}  // namespace cairn::server
