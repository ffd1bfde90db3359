// Cairn's own routes, for those who work on runs: take one, and end it.
#include <optional>
#include <utility>

#include "api/server/api_routes.h"
#include "api/server/body.h"
#include "api/server/typed_text.h"
#include "engine/json/json.h"
#include "engine/records/run_record.h"

namespace cairn::server {

namespace {

using engine::RunStatus;

constexpr size_t kStatusBodyBytesMax = 64u << 10;

std::optional<RunStatus> read_status(const Members& members, std::string_view name) {
  const auto text = members.text(name);
  RunStatus out = RunStatus::kQueued;
  if (!text) {
    return std::nullopt;
  }
  if (!engine::status_from_name(*text, out)) {
    members.complain(name, "is no status");
    return std::nullopt;
  }
  return out;
}

/// 409, never to be tried again: of several who wanted the run the others have lost.
http::Response has_other_status(RunStatus status) {
  http::Response out = json_response(409, {{"error", std::string("The run is ") + engine::status_name(status)},
                                           {"status", engine::status_name(status)}});
  return with_retry(std::move(out), false);
}

http::Response write_status(const Api& api, const ApiCall& call, const StatusChange& change) {
  const auto written = api.storage.write(change, call.key());
  if (!written.ok()) {
    return unavailable(written.status());
  }
  if (written->refused == Refused::kOtherStatus) {
    return has_other_status(written->status);
  }
  if (written->refused == Refused::kTooLarge) {
    return error_response(413, "Output exceeds maximum size of " + std::to_string(written->bytes_max) + " bytes");
  }
  if (written->refused != Refused::kNo) {
    return refused_response(written->refused, written->reason, written->bytes_max);
  }
  return json_response(200, {{"id", written->id}, {"status", engine::status_name(written->status)}});
}

/// {"status": "EXECUTING", "from"?: "QUEUED"}
http::Response set_run_status(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const auto body = read_body(call.request().body, 1, complaints);
  StatusChange change;
  change.run = call.parameter();
  if (body) {
    const Members members(*body, "", complaints);
    const auto to = read_status(members, "status");
    const bool is_taken = to && (*to == RunStatus::kQueued || *to == RunStatus::kDequeued ||
                                 *to == RunStatus::kExecuting || *to == RunStatus::kWaiting);
    if (!is_taken) {
      members.complain("status", "must be QUEUED, DEQUEUED, EXECUTING or WAITING; a run ends by /finish");
    }
    change.to = to.value_or(change.to);
    change.from = read_status(members, "from");
  }
  return complaints.any() ? complaints.response() : write_status(api, call, change);
}

/// The output is JSON; with outputType it is a text of that type.
std::optional<TypedText> read_output(const Members& members) {
  const engine::Value* output = members.any("output");
  const auto type = members.text_of_bytes("outputType", kTypeBytesMax);
  if (output == nullptr) {
    return std::nullopt;
  }
  if (type && !output->is(engine::Type::kString)) {
    members.complain("output", "must be a string, the text of what outputType names");
    return std::nullopt;
  }
  TypedText out{type.value_or("application/json"), type ? *output->get<std::string>() : engine::to_json(*output)};
  if (const std::string wrong = type && out.text.size() <= kOutputBytesMax ? why_not_of_type(out) : "";
      !wrong.empty()) {
    members.complain("output", wrong);
  }
  return out;
}

/// A text, or an object with a message. A long one is cut: a run shall not fail to end for what it says.
std::string read_error(const Members& members) {
  const engine::Value* error = members.any("error");
  std::string out;
  if (error != nullptr && error->is(engine::Type::kObject)) {
    const Members of(*error->get<engine::Object>(), "error", members.complaints());
    if (of.any("message") == nullptr) {
      of.complain("message", "is required");
    }
    out = of.text("message").value_or("");
  } else {
    out = members.text("error").value_or("");
  }
  return std::string(engine::shortened(out, engine::kErrorBytesMax));
}

/// {"status"?: "COMPLETED", "from"?, "output"?, "outputType"?, "error"?, "durable"?}
http::Response finish_run(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const bool has_body = call.request().body.find_first_not_of(" \t\r\n") != std::string::npos;
  const auto body = has_body ? read_body(call.request().body, 1, complaints) : engine::Object();
  StatusChange change;
  change.run = call.parameter();
  change.to = RunStatus::kCompleted;
  if (body) {
    const Members members(*body, "", complaints);
    change.to = read_status(members, "status").value_or(RunStatus::kCompleted);
    if (!engine::is_final(change.to) && change.to != RunStatus::kCrashed) {
      members.complain("status", "must be COMPLETED, CANCELED, FAILED, CRASHED, SYSTEM_FAILURE, EXPIRED or TIMED_OUT");
    }
    change.from = read_status(members, "from");
    change.output = read_output(members);
    change.error = read_error(members);
    change.survives_power_loss = members.flag("durable");
    if (change.to == RunStatus::kCompleted && !change.error.empty()) {
      members.complain("error", "does not go with COMPLETED");
    }
  }
  return complaints.any() ? complaints.response() : write_status(api, call, change);
}

}  // namespace

void add_own_routes(const SharedApi& api, std::vector<Route>& routes) {
  routes.push_back(api_route(api, "POST", "/cairn/v1/runs/:id/status", {}, kStatusBodyBytesMax, set_run_status));
  routes.push_back(api_route(api, "POST", "/cairn/v1/runs/:id/finish", {}, kTriggerBodyBytesMax, finish_run));
}

}  // namespace cairn::server
