// Cairn's own routes that read: the runs, as `cairn ls` and `cairn show` have them, and what the store tells of itself.
#include <utility>

#include "api/server/api_routes.h"
#include "api/server/own_query.h"
#include "api/server/own_row.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

http::Response text_response(std::string json) {
  http::Response out;
  out.content_type = "application/json";
  out.body = std::move(json);
  return out;
}

/// {"runs": [...], "next_cursor"?}
http::Response list_own(const Api& api, const ApiCall& call) {
  http::Response refusal;
  const auto query =
      read_own_query(call.request().query, api.now_us(), {"order", "limit", "cursor", "fields"}, refusal);
  if (!query) {
    return refusal;
  }
  const auto page = api.storage.list(query->filter, query->order, {query->cursor, false}, query->limit);
  if (page.code() == Code::kInvalidArgument) {
    return parameter_error("cursor", message_of(page.status()));
  }
  if (!page.ok()) {
    return unavailable(page.status());
  }
  std::string out = "{\"runs\":[";
  for (const RunView& run : page.value().runs) {
    out += (out.back() == '[' ? "" : ",") + own_row(run, query->head_only);
  }
  out += "]";
  if (!page.value().next.empty()) {
    out += ",\"next_cursor\":";
    engine::append_json_string(out, page.value().next);
  }
  return text_response(out + "}");
}

http::Response show_own(const Api& api, const ApiCall& call) {
  http::Response refusal;
  if (!read_known_query(call.request().query, {}, refusal)) {
    return refusal;
  }
  const std::string& id = call.parameter();
  std::optional<RunDurability> durability;
  if (api.options.local != nullptr) {
    // First: what is said to have come so far is not more than what is shown.
    auto found = api.options.local->durability(id);
    if (!found.ok()) {
      return unavailable(found.status());
    }
    durability = std::move(*found);
  }
  const auto run = api.storage.find(id, kMetadata | kPayload | kOutput | kForeign);
  if (!run.ok()) {
    return unavailable(run.status());
  }
  if (!*run) {
    return run_not_found();
  }
  const auto children = api.storage.count_children(id);
  if (!children.ok()) {
    return unavailable(children.status());
  }
  return text_response(own_run(**run, *children, durability ? &*durability : nullptr));
}

}  // namespace

void add_own_reading_routes(const SharedApi& api, std::vector<Route>& routes) {
  const auto add = [&](const char* pattern, Handler handler) {
    routes.push_back(api_route(api, "GET", pattern, {}, kUnreadBodyBytesMax, std::move(handler)));
  };
  add("/cairn/v1/runs", list_own);
  add("/cairn/v1/runs/:id", show_own);
}

}  // namespace cairn::server
