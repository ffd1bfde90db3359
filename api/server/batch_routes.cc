// Batches: made, filled by lines of JSON, looked at.
#include <algorithm>
#include <utility>

#include "api/server/api_routes.h"
#include "api/server/times.h"
#include "api/server/trigger_options.h"

namespace cairn::server {

namespace {

constexpr size_t kBatchBodyBytesMax = 1u << 20;
constexpr size_t kItemsBodyBytesMax = 8u << 20;

http::Response create_batch(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const auto body = read_body(call.request().body, 1, complaints);
  BatchCreate create;
  std::vector<std::string> tasks;
  if (body) {
    const Members members(*body, "", complaints);
    const auto runs = members.whole("runCount", 1, static_cast<int64_t>(kBatchRunsMax));
    if (!runs) {
      members.complain("runCount", "is required, a whole number from 1 to " + std::to_string(kBatchRunsMax));
    }
    create.runs = static_cast<size_t>(runs.value_or(0));
    tasks = members.texts("taskIdentifiers", SIZE_MAX);
    create.parent = read_parent(members);
    create.waits = members.flag("resumeParentOnCompletion");
    read_idempotency_key(members, api.now_us(), create.idempotency_key, create.idempotency_until_us);
  }
  if (complaints.any()) {
    return complaints.response();
  }
  if (!call.is_let_in({tasks, {}, ""}) || !call.may_be_parent(create.parent)) {
    return not_allowed();
  }
  const auto made = api.storage.batch(create, call.key());
  if (!made.ok()) {
    return unavailable(made.status());
  }
  if (made->refused != Refused::kNo) {
    return refused_response(made->refused, made->reason, made->bytes_max);
  }
  engine::Object out = {
      {"id", made->id}, {"runCount", static_cast<int64_t>(made->run_count)}, {"isCached", made->cached}};
  if (!made->idempotency_key.empty()) {
    out.push_back({"idempotencyKey", made->idempotency_key});
  }
  http::Response response = json_response(202, std::move(out));
  add_token_headers(api, "read:batch:" + made->id, response);
  return response;
}

/// An item that does not fit is 422, as for the clients' server; a line that is no JSON is 400.
http::Response item_refused(const Complaints& complaints, const std::string& place, bool is_json) {
  const unsigned status = is_json && complaints.status() == 400 ? 422 : complaints.status();
  return error_response(status, is_json ? place + ": " + complaints.text() : complaints.text());
}

/// False: `refusal` says why.
bool read_item(std::string_view line, size_t number, int64_t now_us, BatchItems::Item& item, http::Response& refusal) {
  Complaints complaints;
  const std::string place = "line " + std::to_string(number);
  const auto value = read_json(line, kTriggerLevels, place, complaints);
  if (!value) {
    refusal = item_refused(complaints, place, false);
    return false;
  }
  const engine::Object* object = value->get<engine::Object>();
  if (object == nullptr) {
    complaints.add(400, "Validation error: an item must be a JSON object");
  } else {
    const Members members(*object, "", complaints);
    const auto index = members.whole("index", 0, INT64_MAX);
    if (!index) {
      members.complain("index", "is required, a whole number");
    }
    item.trigger = read_trigger(members, now_us);
    item.trigger.task = read_task(members, "task");
    item.index = static_cast<size_t>(index.value_or(0));
  }
  if (complaints.any()) {
    refusal = item_refused(complaints, place, true);
    return false;
  }
  return true;
}

bool read_items(std::string_view body, int64_t now_us, BatchItems& items, http::Response& refusal) {
  for (size_t number = 1; !body.empty(); ++number) {
    const size_t end = body.find('\n');
    const std::string_view line = body.substr(0, end);
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    if (items.items.size() == 2 * kBatchRunsMax) {  // a batch has half as many, each once
      refusal = error_response(422, "the body has more than " + std::to_string(items.items.size()) + " items");
      return false;
    }
    if (!read_item(line, number, now_us, items.items.emplace_back(), refusal)) {
      return false;
    }
  }
  if (items.items.empty()) {
    refusal = error_response(400, "Request body is empty");
    return false;
  }
  return true;
}

bool is_ndjson(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  type = type.substr(0, type.find_last_not_of(" \t") + 1);
  constexpr std::string_view kType = "application/x-ndjson";
  return std::equal(type.begin(), type.end(), kType.begin(), kType.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

http::Response items_refused(const BatchView& view) {
  const std::string place = "item of index " + std::to_string(view.refused_index) + ": ";
  switch (view.refused) {
    case Refused::kNoSuchBatch:
      return error_response(422, "Batch not found");
    case Refused::kBadRequest:
      return error_response(422, place + view.reason);
    case Refused::kTooManyTags:
      return error_response(422, place + "Runs can only have " + std::to_string(kTriggerTagsMax) + " tags");
    case Refused::kTooLarge:
      return error_response(413,
                            place + "Metadata exceeds maximum size of " + std::to_string(view.bytes_max) + " bytes");
    default:
      return refused_response(view.refused, view.reason, view.bytes_max);
  }
}

http::Response add_batch_items(const Api& api, const ApiCall& call) {
  if (!is_ndjson(call.request().header("Content-Type"))) {
    return error_response(415, "Content-Type must be application/x-ndjson");
  }
  BatchItems items;
  items.batch = call.parameter();
  http::Response refusal;
  if (!read_items(call.request().body, api.now_us(), items, refusal)) {
    return refusal;
  }
  const auto found = api.storage.batch(BatchGet{items.batch}, {});
  if (!found.ok()) {
    return unavailable(found.status());
  }
  if (found->refused != Refused::kNo) {
    return items_refused(*found);
  }
  std::vector<std::string> tasks;
  for (const BatchItems::Item& item : items.items) {
    tasks.push_back(item.trigger.task);
    if (item.index >= found->run_count) {
      return error_response(422, "item of index " + std::to_string(item.index) + ": the batch has " +
                                     std::to_string(found->run_count) + " runs, from index 0");
    }
  }
  if (!call.is_let_in({tasks, {}, ""})) {
    return not_allowed();
  }
  const auto written = api.storage.batch(items, call.key());
  if (!written.ok()) {
    return unavailable(written.status());
  }
  if (written->refused != Refused::kNo) {
    return items_refused(*written);
  }
  engine::Object out = {{"id", written->id},
                        {"itemsAccepted", static_cast<int64_t>(written->accepted)},
                        {"itemsDeduplicated", static_cast<int64_t>(written->deduplicated)},
                        {"sealed", written->sealed}};
  if (!written->sealed) {
    out.push_back({"enqueuedCount", static_cast<int64_t>(written->runs.size())});
    out.push_back({"expectedCount", static_cast<int64_t>(written->run_count)});
  }
  return json_response(200, std::move(out));
}

http::Response retrieve_batch(const Api& api, const ApiCall& call) {
  const std::string& id = call.parameter();
  const auto found = api.storage.batch(BatchGet{id}, {});
  if (!found.ok()) {
    return unavailable(found.status());
  }
  if (found->refused == Refused::kNoSuchBatch) {
    return with_retry(error_response(404, "Batch not found"), true);
  }
  if (!call.is_let_in()) {
    return not_allowed();
  }
  engine::Array runs;
  for (const auto& [index, run] : found->runs) {
    runs.emplace_back(run);
  }
  engine::Object processing;
  if (found->sealed) {
    processing.push_back({"completedAt", iso_text(found->updated_us)});
  }
  processing.push_back({"errors", engine::Array()});
  engine::Object out = {{"id", found->id},
                        {"status", found->all_final ? "COMPLETED"
                                   : found->sealed  ? "PROCESSING"
                                                    : "PENDING"}};
  if (!found->idempotency_key.empty()) {
    out.push_back({"idempotencyKey", found->idempotency_key});
  }
  out.push_back({"createdAt", iso_text(found->created_us)});
  out.push_back({"updatedAt", iso_text(found->updated_us)});
  out.push_back({"runCount", static_cast<int64_t>(found->run_count)});
  out.push_back({"runs", std::move(runs)});
  out.push_back({"processing", std::move(processing)});
  return json_response(200, std::move(out));
}

}  // namespace

void add_batch_routes(const SharedApi& api, std::vector<Route>& routes) {
  const Scopes to_trigger = {{"batchTrigger", "batch"}, {"batchTrigger", "tasks", ScopeOf::kTasks}};
  const Scopes to_read = {{"read", "batch", ScopeOf::kParameter}, {"read", "runs"}};
  routes.push_back(api_route(api, "POST", "/api/v3/batches", to_trigger, kBatchBodyBytesMax, create_batch));
  routes.push_back(
      api_route(api, "POST", "/api/v3/batches/:id/items", to_trigger, kItemsBodyBytesMax, add_batch_items));
  for (const char* pattern : {"/api/v2/batches/:id", "/api/v1/batches/:id"}) {
    routes.push_back(api_route(api, "GET", pattern, to_read, kUnreadBodyBytesMax, retrieve_batch));
  }
}

}  // namespace cairn::server
