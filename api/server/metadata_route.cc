// PUT and GET /api/v1/runs/:id/metadata
#include <optional>
#include <utility>

#include "api/server/api_routes.h"
#include "api/server/body.h"
#include "engine/document/path.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

constexpr size_t kMetadataBodyBytesMax = 2'097'152;

engine::Value object_of(const std::string& metadata) {
  auto parsed = engine::parse_json(metadata, SIZE_MAX, engine::kStoredDepthMax);
  return parsed.ok() ? std::move(*parsed) : engine::Value(engine::Object());
}

/// "$." and "$..." name no key: a path needs a segment below the root.
bool names_no_key(const engine::Operation& operation) {
  if (!engine::is_path(operation.key)) {
    return false;
  }
  const auto segments = engine::parse_path(operation.key);
  return segments.ok() && segments->empty();
}

std::vector<engine::Operation> read_operations(const engine::Object& body, const char* name, Complaints& complaints) {
  const engine::Value* list = engine::find_property(body, name);
  if (list == nullptr) {
    return {};
  }
  if (!list->is(engine::Type::kArray)) {
    complaints.add_invalid(name, "must be a list of operations");
    return {};
  }
  const auto place = [name](size_t index) { return std::string(name) + "[" + std::to_string(index) + "]"; };
  size_t failed_index = 0;
  auto operations = engine::operations_of(*list, &failed_index);
  if (!operations.ok()) {
    complaints.add_invalid(place(failed_index), "does not fit: " + message_of(operations.status()));
    return {};
  }
  for (size_t i = 0; i < operations->size(); ++i) {
    if (names_no_key((*operations)[i])) {
      complaints.add_invalid(place(i) + ".key", "is a path without a segment below the root");
    }
  }
  return std::move(*operations);
}

/// `has_any`: there is something to do. An empty list of operations counts, as it does for the clients' answers.
MetadataUpdate read_update(const engine::Object& body, bool& has_any, Complaints& complaints) {
  MetadataUpdate out;
  out.operations = read_operations(body, "operations", complaints);
  out.parent_operations = read_operations(body, "parentOperations", complaints);
  out.root_operations = read_operations(body, "rootOperations", complaints);
  const engine::Value* metadata = engine::find_property(body, "metadata");
  const bool has_operations = engine::find_property(body, "operations") != nullptr;
  if (metadata != nullptr && !metadata->is(engine::Type::kObject)) {
    complaints.add_invalid("metadata", "must be an object");
  } else if (metadata != nullptr && !has_operations) {
    out.operations.push_back({engine::OperationType::kReplace, "", *metadata});
  }
  has_any = has_operations || metadata != nullptr || !out.parent_operations.empty() || !out.root_operations.empty();
  return out;
}

http::Response task_run_not_found() { return error_response(404, "Task Run not found"); }

http::Response put_metadata(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const auto body = read_body(call.request().body, engine::kOperationLevels + 1, complaints);
  bool has_any = false;
  MetadataUpdate update = body ? read_update(*body, has_any, complaints) : MetadataUpdate();
  if (complaints.any()) {
    return complaints.response();
  }
  if (!has_any) {  // the model's answer to a body of nothing: an empty object, whatever the run has
    const auto found = api.storage.find(call.parameter(), kHeadOnly);
    return !found.ok() ? unavailable(found.status())
           : !*found   ? task_run_not_found()
                       : json_response(200, {{"metadata", engine::Object()}});
  }
  update.run = call.parameter();
  update.late_us = api.options.late_metadata_us;
  const auto written = api.storage.write(std::move(update), call.key());
  if (!written.ok()) {
    return unavailable(written.status());
  }
  if (written->refused == Refused::kNoSuchRun) {
    return task_run_not_found();
  }
  if (written->refused != Refused::kNo) {
    return refused_response(written->refused, written->reason, written->bytes_max);
  }
  return json_response(200, {{"metadata", object_of(written->metadata)}});
}

http::Response get_metadata(const Api& api, const ApiCall& call) {
  const auto found = api.storage.find(call.parameter(), kMetadata);
  if (!found.ok()) {
    return unavailable(found.status());
  }
  if (!*found) {
    return run_not_found();
  }
  return json_response(200, {{"metadata", object_of((*found)->metadata)}, {"metadataType", "application/json"}});
}

}  // namespace

void add_metadata_routes(const SharedApi& api, std::vector<Route>& routes) {
  constexpr const char* kPattern = "/api/v1/runs/:id/metadata";
  routes.push_back(api_route(api, "PUT", kPattern, {}, kMetadataBodyBytesMax, put_metadata));
  routes.push_back(api_route(api, "GET", kPattern, {}, kUnreadBodyBytesMax, get_metadata));
}

}  // namespace cairn::server
