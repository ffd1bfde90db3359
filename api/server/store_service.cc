#include "api/server/store_service.h"

#include <utility>

#include "api/server/event_route.h"
#include "api/server/openapi_route.h"
#include "api/server/realtime_routes.h"
#include "api/server/run_api.h"
#include "api/server/sync_route.h"
#include "engine/base/error_detail.h"

namespace cairn::server {

namespace {

// Those of runs come last: they end with what takes everything that is left.
std::vector<Route> all_routes(std::vector<Route> further, std::function<std::string()> why_not_ready,
                              engine::sync::Receiver& receiver, RunStorage& runs, Subscriptions& subscriptions,
                              EventStreams& events, const Keys& keys, LocalStore& local, int64_t late_metadata_us) {
  std::vector<Route> routes = std::move(further);
  routes.push_back(sync_route(receiver));
  routes.push_back(health_route());
  routes.push_back(ready_route(std::move(why_not_ready)));
  routes.push_back(event_route(events));
  routes.push_back(openapi_route());
  for (Route& route : realtime_routes(runs, subscriptions)) {
    routes.push_back(std::move(route));
  }
  ApiOptions options;
  options.late_metadata_us = late_metadata_us;
  options.local = &local;
  options.keys = keys.empty() ? nullptr : &keys;
  for (Route& route : run_routes(runs, std::move(options))) {
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace

StoreService::StoreService(engine::Store& store, engine::sync::Receiver& receiver, Options options)
    : store_(store),
      runs_(store),
      facts_(store),
      keys_(std::move(options.api_tokens), std::move(options.sync_tokens), runs_.name()),
      subscriptions_(runs_),
      events_(runs_),
      table_(all_routes(
                 std::move(options.further), [this] { return why_not_ready(); }, receiver, runs_, subscriptions_,
                 events_, keys_, facts_, options.late_metadata_us),
             [this] {
               subscriptions_.let_go();
               events_.let_go();
             }),
      time_keeper_(runs_, std::move(options.trouble)) {}

http::Authenticator StoreService::authenticator() {
  return keys_.empty() ? http::Authenticator()
                       : [this](const http::Credentials& credentials) { return keys_.check(credentials); };
}

std::string StoreService::why_not_ready() const {
  if (retires_) {
    return "the server is being stopped";
  }
  const Status taken = store_.takes_updates();
  switch (taken.code) {
    case Code::kOk:
      return {};
    case Code::kNoSpace:
      return "the disk is full";
    case Code::kLatched:
      return "the store failed to write, and must be opened again";
    default:
      return engine::error_text(taken);
  }
}

const char* StoreService::exposed_headers() {
  return "electric-offset, electric-handle, electric-schema, electric-cursor, electric-up-to-date, x-trigger-jwt, "
         "x-trigger-jwt-claims, x-should-retry, x-ratelimit-reset, retry-after";
}

}  // namespace cairn::server
