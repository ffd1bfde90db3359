// GET /api/v3/runs/:id and GET /api/v1/runs
#include <memory>

#include "api/server/api_routes.h"
#include "api/server/list_query.h"
#include "api/server/run_json.h"

namespace cairn::server {

namespace {

/// Relatives of a run have metadata of their own: who may read the run may not read theirs for that.
void leave_out_what_is_not_allowed(const ApiCall& call, RunView& run) {
  for (std::shared_ptr<const RunView>* relative : {&run.parent_run, &run.root_run}) {
    if (*relative != nullptr && !call.may_read(**relative)) {
      relative->reset();
    }
  }
  std::erase_if(run.children, [&call](const RunView& child) { return !call.may_read(child); });
}

http::Response retrieve_run(const Api& api, const ApiCall& call) {
  auto found = api.storage.find(call.parameter(), kRetrievedParts);
  if (!found.ok()) {
    return unavailable(found.status());
  }
  if (!*found) {
    return with_retry(error_response(404, "Not found"), true);
  }
  RunView& run = **found;
  if (!call.is_let_in(about(run))) {
    return not_allowed();
  }
  leave_out_what_is_not_allowed(call, run);
  return json_response(200, retrieved_run(run));
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
