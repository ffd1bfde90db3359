// POST /api/v1/tasks/:task/trigger
#include "api/server/api_routes.h"
#include "api/server/trigger_options.h"

namespace cairn::server {

namespace {

http::Response trigger_task(const Api& api, const ApiCall& call) {
  const std::string& task = call.parameter();
  Complaints complaints;
  const auto body = read_body(call.request().body, kTriggerLevels, complaints);
  Change change;
  std::string parent;
  if (body) {
    Trigger trigger = read_trigger(Members(*body, "", complaints), api.now_us());
    trigger.task = task;
    parent = trigger.parent;
    change = std::move(trigger);
  }
  if (complaints.is_invalid()) {
    return complaints.response();
  }
  if (!call.is_let_in() || !call.may_be_parent(parent)) {
    return not_allowed();
  }
  if (complaints.any()) {
    return complaints.response();
  }
  const auto written = api.storage.write(change, call.key());
  if (!written.ok()) {
    return unavailable(written.status());
  }
  if (written->refused != Refused::kNo) {
    return refused_response(written->refused, written->reason, written->bytes_max);
  }
  http::Response out = json_response(200, {{"id", written->id}, {"isCached", written->cached}});
  add_token_headers(api, "read:runs:" + written->id, out);
  return out;
}

}  // namespace

void add_trigger_route(const SharedApi& api, std::vector<Route>& routes) {
  routes.push_back(api_route(api, "POST", "/api/v1/tasks/:task/trigger", {{"trigger", "tasks", ScopeOf::kParameter}},
                             kTriggerBodyBytesMax, trigger_task));
}

}  // namespace cairn::server
