#include "api/server/realtime_routes.h"

#include <algorithm>
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
    if (std::optional<http::Response> refusal = refuse(call.request.principal, request.shape); refusal) {
      call.answer.send(std::move(*refusal));
    } else if (request.live && request.rest.empty()) {
      subscriptions_.follow(std::move(request), std::move(call.answer));
    } else {
      call.answer.send(answer_at_once(storage_, request));
    }
  }

 private:
  [[nodiscard]] std::optional<http::Response> refuse(const http::Principal& who, const Shape& shape) const {
    const auto may = [&](std::string_view type, std::string_view id) { return allows(who, "read", type, id); };
    const auto any_tag = [&may](const std::vector<std::string>& tags) {
      return std::any_of(tags.begin(), tags.end(), [&may](const std::string& tag) { return may("tags", tag); });
    };
    switch (shape.kind) {
      case Shape::Kind::kBatch:
        return may("batch", shape.id) || may("runs", "") ? std::nullopt : std::optional(not_allowed());
      case Shape::Kind::kRun:
        break;
      default:
        return may("runs", "") || may("tags", "") || any_tag(shape.tags) ? std::nullopt : std::optional(not_allowed());
    }
    if (may("runs", shape.id)) {
      return std::nullopt;
    }
    const Result<std::optional<RunView>> run = storage_.find(shape.id, kHeadOnly);
    if (!run.ok()) {
      return unavailable(run.status());
    }
    if (!*run) {
      return no_such_shape();
    }
    const RunView& view = **run;
    const bool may_follow =
        may("tasks", view.task) || any_tag(view.tags) || (!view.batch.empty() && may("batch", view.batch));
    return may_follow ? std::nullopt : std::optional(not_allowed());
  }

  RunStorage& storage_;
  Subscriptions& subscriptions_;
};

}  // namespace

std::vector<Route> realtime_routes(RunStorage& storage, Subscriptions& subscriptions) {
  const auto handler = std::make_shared<RealtimeHandler>(storage, subscriptions);
  std::vector<Route> out;
  const auto add = [&](const char* pattern, Shape::Kind kind) {
    Route route;
    route.method = "GET";
    route.pattern = pattern;
    route.roles = kApiKey | kPublicToken;
    route.body_bytes_max = kUnreadBodyBytesMax;
    route.handler = [handler, kind](Call call) { handler->handle(kind, std::move(call)); };
    out.push_back(std::move(route));
  };
  add("/realtime/v1/runs/:id", Shape::Kind::kRun);
  add("/realtime/v1/runs", Shape::Kind::kTags);
  add("/realtime/v1/batches/:id", Shape::Kind::kBatch);
  return out;
}

}  // namespace cairn::server
