// GET /api/v3/runs/:id and GET /api/v1/runs
#include "api/server/api_routes.h"
#include "api/server/list_query.h"
#include "api/server/run_json.h"

namespace cairn::server {

namespace {

http::Response retrieve_run(const Api& api, const ApiCall& call) {
  const auto found = api.storage.find(call.parameter(), kRetrievedParts);
  if (!found.ok()) {
    return unavailable(found.status());
  }
  if (!*found) {
    return with_retry(error_response(404, "Not found"), true);
  }
  return call.is_let_in(about(**found)) ? json_response(200, retrieved_run(**found)) : not_allowed();
}

http::Response list_runs(const Api& api, const ApiCall& call) {
  http::Response refusal;
  const auto query = read_list_query(call.request().query, api.now_us(), refusal);
  if (!query) {
    return refusal;
  }
  if (!call.is_let_in({query->filter.tasks, {}, ""})) {
    return not_allowed();
  }
  const auto page = api.storage.list(query->filter, Order::kCreatedNewestFirst, query->cursor, query->limit);
  if (page.code() == Code::kInvalidArgument) {
    return query_error(query->cursor.backwards ? "page[before]" : "page[after]", "is no cursor of a listing of runs");
  }
  if (!page.ok()) {
    return unavailable(page.status());
  }
  engine::Array data;
  const std::string environment_id = api.storage.name();
  for (const RunView& run : page.value().runs) {
    data.emplace_back(listed_run(run, environment_id, api.options.environment));
  }
  engine::Object pagination;
  if (!page.value().next.empty()) {
    pagination.push_back({"next", page.value().next});
  }
  if (!page.value().previous.empty()) {
    pagination.push_back({"previous", page.value().previous});
  }
  return json_response(200, {{"data", std::move(data)}, {"pagination", std::move(pagination)}});
}

}  // namespace

void add_reading_routes(const SharedApi& api, std::vector<Route>& routes) {
  const Scopes to_list = {{"read", "runs"}, {"read", "tasks"}, {"read", "tasks", ScopeOf::kTasks}};
  routes.push_back(
      api_route(api, "GET", "/api/v3/runs/:id", scopes_to_read_a_run(), kUnreadBodyBytesMax, retrieve_run));
  for (const char* pattern : {"/api/v1/runs", "/api/v1/projects/:ref/runs"}) {
    routes.push_back(api_route(api, "GET", pattern, to_list, kUnreadBodyBytesMax, list_runs));
  }
}

}  // namespace cairn::server
