#include "api/server/store_service.h"

#include <utility>

#include "api/server/realtime_routes.h"
#include "api/server/run_api.h"
#include "api/server/sync_route.h"

namespace cairn::server {

namespace {

// Those of runs come last: they end with what takes everything that is left.
std::vector<Route> all_routes(engine::sync::Receiver& receiver, RunStorage& runs, Subscriptions& subscriptions,
                              const Keys& keys, int64_t late_metadata_us) {
  std::vector<Route> routes = {sync_route(receiver), health_route()};
  for (Route& route : realtime_routes(runs, subscriptions)) {
    routes.push_back(std::move(route));
  }
  ApiOptions options;
  options.late_metadata_us = late_metadata_us;
  options.keys = keys.empty() ? nullptr : &keys;
  for (Route& route : run_routes(runs, std::move(options))) {
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace

StoreService::StoreService(engine::Store& store, engine::sync::Receiver& receiver, Options options)
    : runs_(store),
      keys_(std::move(options.api_tokens), std::move(options.sync_tokens), runs_.name()),
      subscriptions_(runs_),
      table_(all_routes(receiver, runs_, subscriptions_, keys_, options.late_metadata_us),
             [this] { subscriptions_.let_go(); }),
      time_keeper_(runs_, std::move(options.trouble)) {}

http::Authenticator StoreService::authenticator() {
  return keys_.empty() ? http::Authenticator()
                       : [this](const http::Credentials& credentials) { return keys_.check(credentials); };
}

const char* StoreService::exposed_headers() {
  return "electric-offset, electric-handle, electric-schema, electric-cursor, electric-up-to-date, x-trigger-jwt, "
         "x-trigger-jwt-claims, x-should-retry, x-ratelimit-reset, retry-after";
}

}  // namespace cairn::server
