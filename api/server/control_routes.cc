// What clients do to a run: cancel, tag, replay, reschedule; idempotency keys; and what tokens are for.
#include <algorithm>
#include <array>
#include <utility>

#include "api/server/api_routes.h"
#include "api/server/run_json.h"
#include "api/server/times.h"
#include "api/server/trigger_options.h"

namespace cairn::server {

namespace {

constexpr size_t kControlBodyBytesMax = 64u << 10;

http::Response answer_of(const Result<Written>& written) {
  return !written.ok() ? unavailable(written.status())
         : written.value().refused != Refused::kNo
             ? refused_response(written.value().refused, written.value().reason, written.value().bytes_max)
             : json_response(200, {{"id", written.value().id}});
}

http::Response cancel_run(const Api& api, const ApiCall& call) {
  const std::string& id = call.parameter();
  const auto found = api.storage.find(id, kHeadOnly);
  if (!found.ok()) {
    return unavailable(found.status());
  }
  if (!*found) {
    return run_not_found();
  }
  if (!call.is_let_in(about(**found))) {
    return not_allowed();
  }
  return answer_of(api.storage.write(Cancel{id}, call.key()));
}

http::Response add_run_tags(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const auto body = read_body(call.request().body, 1, complaints);
  AddTags change;
  change.run = call.parameter();
  if (body) {
    const Members members(*body, "", complaints);
    if (members.any("tags") == nullptr) {
      members.complain("tags", "is required, a string or a list of strings");
    }
    change.tags = distinct_tags(members.texts("tags", kTagCharsMax));
  }
  if (complaints.any()) {
    return complaints.response();
  }
  const auto written = api.storage.write(change, call.key());
  if (!written.ok() || (written->refused != Refused::kNo && written->refused != Refused::kTooManyTags)) {
    return answer_of(written);
  }
  if (written->refused == Refused::kTooManyTags) {
    const auto found = api.storage.find(change.run, kHeadOnly);
    if (!found.ok() || !*found) {
      return answer_of(written);
    }
    change.tags.insert(change.tags.end(), (*found)->tags.begin(), (*found)->tags.end());
    return error_response(422, too_many_tags(distinct_tags(change.tags).size()));
  }
  return json_response(200,
                       {{"message", written->tags_added == 0
                                        ? std::string("No new tags to add")
                                        : "Successfully set " + std::to_string(written->tags_added) + " new tags."}});
}

// Of these some say nothing here, because there is no queue.
constexpr std::array<std::string_view, 16> kReplayMembers = {
    "payload",           "payloadType", "metadata",    "tags",    "queue", "concurrencyKey",
    "machine",           "version",     "region",      "delay",   "ttl",   "idempotencyKey",
    "idempotencyKeyTTL", "maxAttempts", "maxDuration", "priority"};

/// The changes to what the run was triggered with.
void read_replay(const engine::Object& body, int64_t now_us, Trigger& trigger, Complaints& complaints) {
  const Members members(body, "", complaints);
  for (const auto& [name, value] : body) {
    if (std::find(kReplayMembers.begin(), kReplayMembers.end(), name) == kReplayMembers.end()) {
      members.complain(name, "is not known");
    }
  }
  const auto type = members.text("payloadType");
  if (type && *type != "application/json" && *type != "application/super+json") {
    members.complain("payloadType", "must be application/json or application/super+json");
  }
  read_payload(members, members, trigger);
  if (members.object("metadata") != nullptr) {
    read_metadata(members, trigger);
  }
  read_tags(members, trigger);
  read_times(members, now_us, trigger);
  read_idempotency_key(members, now_us, trigger.idempotency_key, trigger.idempotency_until_us);
}

http::Response replay_run(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const bool has_body = call.request().body.find_first_not_of(" \t\r\n") != std::string::npos;
  const auto body = has_body ? read_body(call.request().body, 1, complaints) : engine::Object();
  Trigger given;
  if (body) {
    read_replay(*body, api.now_us(), given, complaints);
  }
  if (complaints.is_invalid()) {
    return complaints.response();
  }
  const auto found = api.storage.find(call.parameter(), kPayload | kSeed);
  if (!found.ok()) {
    return unavailable(found.status());
  }
  if (!*found) {
    return run_not_found();
  }
  if (complaints.any()) {
    return complaints.response();
  }
  const RunView& original = **found;
  Trigger trigger = std::move(given);
  trigger.task = original.task;
  trigger.is_test = original.is_test;
  if (!trigger.payload) {
    trigger.payload = original.payload;
  }
  if (!trigger.metadata) {
    trigger.metadata = original.seed;
  }
  if (const engine::Value* tags = engine::find_property(*body, "tags");
      tags == nullptr || tags->is(engine::Type::kNull)) {
    trigger.tags = original.tags;
  }
  return answer_of(api.storage.write(std::move(trigger), call.key()));
}

http::Response reschedule_run(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const auto body = read_body(call.request().body, 1, complaints);
  Reschedule change;
  change.run = call.parameter();
  if (body) {
    const Members members(*body, "", complaints);
    const std::string delay = members.required_text("delay");
    const auto until_us = parse_delay_us(delay, api.now_us());
    if (!until_us) {
      members.complain("delay", "must be a duration such as 30m, 1h or 2d, or an ISO 8601 date");
    }
    change.delayed_until_us = until_us.value_or(0);
  }
  if (complaints.any()) {
    return complaints.response();
  }
  const auto written = api.storage.write(change, call.key());
  if (written.ok() && written->refused == Refused::kOtherStatus) {
    return error_response(400, std::string("Only a run that is DELAYED can be rescheduled, and this one is ") +
                                   engine::status_name(written->status));
  }
  if (!written.ok() || written->refused != Refused::kNo) {
    return answer_of(written);
  }
  const auto found = api.storage.find(change.run, kRetrievedParts);
  return !found.ok() ? unavailable(found.status())
         : !*found   ? run_not_found()
                     : json_response(200, retrieved_run(**found));
}

http::Response reset_idempotency_key(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const auto body = read_body(call.request().body, 1, complaints);
  ResetIdempotencyKey change;
  change.key = call.parameter();
  if (body) {
    change.task = read_task(Members(*body, "", complaints), "taskIdentifier");
  }
  if (complaints.any()) {
    return complaints.response();
  }
  if (!call.is_let_in({{change.task}, {}, ""})) {
    return not_allowed();
  }
  const auto written = api.storage.write(change, call.key());
  return written.ok() && written->refused == Refused::kNo ? json_response(200, {{"id", change.key}})
                                                          : answer_of(written);
}

http::Response claims_of_tokens(const Api& api, const ApiCall& /*call*/) {
  return json_response(200, {{"sub", api.storage.name()}, {"pub", true}});
}

}  // namespace

void add_control_routes(const SharedApi& api, std::vector<Route>& routes) {
  const Scopes to_cancel = {{"write", "runs", ScopeOf::kParameter}, {"write", "tasks", ScopeOf::kTasks}};
  const Scopes to_reset = {{"write", "runs"}, {"write", "tasks", ScopeOf::kTasks}};
  routes.push_back(api_route(api, "POST", "/api/v2/runs/:id/cancel", to_cancel, kUnreadBodyBytesMax, cancel_run));
  routes.push_back(api_route(api, "POST", "/api/v1/runs/:id/tags", {}, kControlBodyBytesMax, add_run_tags));
  routes.push_back(api_route(api, "POST", "/api/v1/runs/:id/replay", {}, kTriggerBodyBytesMax, replay_run));
  routes.push_back(api_route(api, "POST", "/api/v1/runs/:id/reschedule", {}, kControlBodyBytesMax, reschedule_run));
  routes.push_back(api_route(api, "POST", "/api/v1/idempotencyKeys/:key/reset", to_reset, kControlBodyBytesMax,
                             reset_idempotency_key));
  routes.push_back(api_route(api, "POST", "/api/v1/auth/jwt/claims", {}, kUnreadBodyBytesMax, claims_of_tokens));
}

}  // namespace cairn::server
