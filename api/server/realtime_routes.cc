#include "api/server/realtime_routes.h"

#include <memory>
#include <optional>
#include <utility>

#include "api/server/api_call.h"
#include "api/server/keys.h"
#include "api/server/shape_answer.h"
#include "api/server/shape_request.h"
#include "api/server/times.h"

namespace cairn::server {

namespace {

class RealtimeHandler {
 public:
  RealtimeHandler(RunStorage& storage, Subscriptions& subscriptions)
      : storage_(storage), subscriptions_(subscriptions) {}

  void handle(Shape::Kind kind, Call call) {
    ShapeRequest request;
    request.shape.kind = kind;
    if (kind != Shape::Kind::kTags) {
      request.shape.id = call.parameters.front();
    }
    for (const std::string& column : skipped_columns(call.request.principal)) {
      request.columns = leave_out(request.columns, column);
    }
    const std::string wrong = read_shape_request(call.request.query, storage_.name(), wall_us(), request);
    if (!wrong.empty()) {
      call.answer.send(error_response(400, wrong));
      return;
    }
    if (std::optional<http::Response> refusal = refuse(call, request.shape); refusal) {
      call.answer.send(std::move(*refusal));
    } else if (request.live && request.rest.empty()) {
      subscriptions_.follow(std::move(request), std::move(call.answer));
    } else {
      call.answer.send(answer_at_once(storage_, request));
    }
  }

 private:
  [[nodiscard]] std::optional<http::Response> refuse(const Call& call, const Shape& shape) const {
    // What is there is read only if the token does not name it.
    if (call.is_let_in({{}, shape.tags, ""})) {
      return std::nullopt;
    }
    if (shape.kind == Shape::Kind::kBatch) {
      const auto batch = storage_.batch(BatchGet{shape.id}, {});
      return !batch.ok()                      ? unavailable(batch.status())
             : batch->refused != Refused::kNo ? no_such_shape()
                                              : not_allowed();
    }
    if (shape.kind != Shape::Kind::kRun) {
      return not_allowed();
    }
    const Result<std::optional<RunView>> run = storage_.find(shape.id, kHeadOnly);
    if (!run.ok()) {
      return unavailable(run.status());
    }
    if (!*run) {
      return no_such_shape();
    }
    return call.is_let_in(about(**run)) ? std::nullopt : std::optional(not_allowed());
  }

  RunStorage& storage_;
  Subscriptions& subscriptions_;
};

}  // namespace

std::vector<Route> realtime_routes(RunStorage& storage, Subscriptions& subscriptions) {
  const auto handler = std::make_shared<RealtimeHandler>(storage, subscriptions);
  std::vector<Route> out;
  const auto add = [&](const char* pattern, Shape::Kind kind, Scopes scopes) {
    Route route;
    route.method = "GET";
    route.pattern = pattern;
    route.scopes = std::move(scopes);
    route.body_bytes_max = kUnreadBodyBytesMax;
    route.handler = [handler, kind](Call call) { handler->handle(kind, std::move(call)); };
    out.push_back(std::move(route));
  };
  add("/realtime/v1/runs/:id", Shape::Kind::kRun, scopes_to_read_a_run());
  add("/realtime/v1/runs", Shape::Kind::kTags, {{"read", "runs"}, {"read", "tags"}, {"read", "tags", ScopeOf::kTags}});
  add("/realtime/v1/batches/:id", Shape::Kind::kBatch, {{"read", "batch", ScopeOf::kParameter}, {"read", "runs"}});
  return out;
}

}  // namespace cairn::server
