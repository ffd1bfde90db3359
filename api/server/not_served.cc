// What the clients can ask for and there is not here: an answer that says so, and never an empty list.
#include <string>

#include "api/server/api_routes.h"

namespace cairn::server {

namespace {

struct Unserved {
  const char* pattern;
  const char* what;
};

// There is no scheduler, queue, deployment or trace here to manage.
constexpr Unserved kNothingToManage[] = {
    {"/api/v1/bulk-actions/*", "bulk actions"},
    {"/api/v1/runs/:id/result", "results of runs by a route of their own (GET /api/v3/runs/:id has the output)"},
    {"/api/v1/runs/:id/events", "events of runs"},
    {"/api/v1/runs/:id/trace", "traces of runs"},
    {"/api/v1/runs/:id/trace/*", "traces of runs"},
    {"/api/v1/runs/:id/spans/*", "spans of runs"},
    {"/api/v1/runs/:id/input-streams/*", "waits for input streams"},
    {"/api/v1/runs/:id/session-streams/*", "waits for session streams"},
    {"/api/v1/batches/:id/results", "results of batches (GET /api/v2/batches/:id has their runs)"},
    {"/api/v1/tasks/batch", "batches in one request (POST /api/v3/batches, then its items)"},
    {"/api/v2/tasks/batch", "batches in one request (POST /api/v3/batches, then its items)"},
    {"/api/v1/schedules/*", "schedules"},
    {"/api/v1/queues/*", "queues"},
    {"/api/v1/concurrency-limits/*", "concurrency limits"},
    {"/api/v1/deployments/*", "deployments"},
    {"/api/v1/projects/:ref/envvars/*", "environment variables"},
    {"/api/v1/envvars/*", "environment variables"},
    {"/api/v1/waitpoints/*", "waitpoints"},
    {"/api/v1/sessions/*", "sessions"},
    {"/api/v1/prompts/*", "prompts"},
    {"/api/v1/query/*", "queries"},
    {"/api/v1/dashboards/*", "dashboards"},
    {"/api/v1/reports/*", "reports"},
    {"/api/v1/webhooks/*", "webhooks"},
    {"/api/v1/whoami", "accounts"},
    {"/api/v2/whoami", "accounts"},
    {"/api/v1/auth/public-tokens", "public tokens that the server signs (clients sign them with their API key)"},
    {"/engine/v1/*", "the protocol of Trigger.dev's workers"},
};

constexpr Unserved kNotYet[] = {
    {"/realtime/v1/streams/*", "streams beside the metadata"},
    {"/api/v1/packets/*", "payloads and outputs of 128 KiB and more (a client keeps them outside of its run)"},
    {"/api/v2/packets/*", "payloads and outputs of 128 KiB and more (a client keeps them outside of its run)"},
    {"/api/v1/runs/:id/packets/*", "payloads and outputs of 128 KiB and more (a client keeps them outside of its run)"},
};

void add_unserved(const SharedApi& api, const Unserved& unserved, unsigned status, std::vector<Route>& routes) {
  const std::string text = std::string("Cairn does not serve ") + unserved.what + "";
  routes.push_back(api_route(api, "", unserved.pattern, {{"", "", ScopeOf::kAnyToken}}, kUnreadBodyBytesMax,
                             [status, text](const Api& /*api*/, const ApiCall& /*call*/) {
                               return with_retry(error_response(status, text), false);
                             }));
}

}  // namespace

void add_not_served(const SharedApi& api, std::vector<Route>& routes) {
  for (const Unserved& unserved : kNothingToManage) {
    add_unserved(api, unserved, 404, routes);
  }
  for (const Unserved& unserved : kNotYet) {
    add_unserved(api, unserved, 501, routes);
  }
}

}  // namespace cairn::server
