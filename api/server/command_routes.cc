// Cairn's own routes, for the commands of `cairn` on a server: start a run, change it, take it up, erase it.
#include <optional>
#include <utility>

#include "api/report/read_time.h"
#include "api/server/api_routes.h"
#include "api/server/body.h"
#include "api/server/own_query.h"
#include "api/server/own_row.h"
#include "engine/base/code_name.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"
#include "engine/records/run_id.h"

namespace cairn::server {

namespace {

using engine::Array;
using engine::Object;
using engine::Value;
using Of = RunOperations::Of;

/// As much as `cairn apply` reads, and what JSON puts around it.
constexpr size_t kOperationsBodyBytesMax = 12u << 20;
constexpr size_t kPartsMax = 10'000;

unsigned http_status_of(Code code) {
  switch (code) {
    case Code::kNoSuchRun:
    case Code::kErased:
    case Code::kNotFound:
      return 404;
    case Code::kExists:
    case Code::kRunning:
    case Code::kFinished:
      return 409;
    case Code::kUnapplied:
      return 422;
    case Code::kTooLarge:
      return 413;
    case Code::kInvalidArgument:
    case Code::kInvalidUtf8:
    case Code::kInvalidJson:
    case Code::kTooDeep:
    case Code::kNotFinite:
    case Code::kTypeMismatch:
    case Code::kKeyRefused:
      return 400;
    default:
      return 503;
  }
}

/// {"error": words, "code": name, "key"?, "needed"?, "limit"?, "cause"?, "index"?}, and `more`.
http::Response failure_response(const engine::ErrorDetail& failure, size_t index = SIZE_MAX, Object more = {}) {
  Object body{{"error", Value(failure.message)}, {"code", Value(engine::code_name(failure.code))}};
  if (!failure.key.empty() && engine::valid_utf8(failure.key)) {
    body.push_back({"key", Value(failure.key)});
  }
  const auto add = [&body](const char* name, uint64_t number) {
    if (number != 0) {
      body.push_back({name, Value(number)});
    }
  };
  add("needed", failure.needed);
  add("limit", failure.limit);
  add("cause", failure.cause > 0 ? static_cast<uint64_t>(failure.cause) : 0);
  if (index != SIZE_MAX) {
    body.push_back({"index", Value(static_cast<uint64_t>(index))});
  }
  for (engine::Property& member : more) {
    body.push_back(std::move(member));
  }
  const unsigned status = http_status_of(failure.code);
  http::Response out = json_response(status, std::move(body));
  return status == 503 ? std::move(out) : with_retry(std::move(out), false);
}

/// What the storage failed with on this thread.
http::Response trouble_response(const Status& trouble) {
  engine::ErrorDetail detail = engine::error_detail();
  if (detail.code != trouble.code) {
    detail = engine::ErrorDetail();
    detail.code = trouble.code;
    detail.cause = trouble.cause;
  }
  detail.message = engine::error_text(trouble);
  return failure_response(detail);
}

/// The answer to `change`, if there is another than that it was done.
std::optional<http::Response> refused(const Written& written) {
  if (written.refused == Refused::kNo) {
    return std::nullopt;
  }
  return written.refused == Refused::kFailed ? failure_response(written.failure, written.failed_index)
                                             : refused_response(written.refused, written.reason, written.bytes_max);
}

/// The run as `cairn start --json` prints it.
http::Response run_response(const Api& api, const std::string& id) {
  const auto run = api.storage.find(id, kMetadata);
  if (!run.ok()) {
    return trouble_response(run.status());
  }
  if (!*run) {  // erased since
    return run_not_found();
  }
  http::Response out;
  out.content_type = "application/json";
  out.body = own_row(**run, false);
  return out;
}

http::Response write_and_show(const Api& api, const ApiCall& call, const Change& change) {
  const auto written = api.storage.write(change, call.key());
  if (!written.ok()) {
    return trouble_response(written.status());
  }
  if (auto response = refused(*written)) {
    return std::move(*response);
  }
  return run_response(api, written->id);
}

/// {"id"?, "task"?, "parent"?, "root"?, "tags"?, "metadata"?, "resume"?}
http::Response start_run(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const bool has_body = call.request().body.find_first_not_of(" \t\r\n") != std::string::npos;
  auto body = has_body ? read_body(call.request().body, 1, complaints) : Object();
  StartRun start;
  if (body) {
    const Members members(*body, "", complaints);
    start.id = members.text("id").value_or("");
    start.task = members.text("task").value_or("");
    start.parent = members.text("parent").value_or("");
    start.root = members.text("root").value_or("");
    start.tags = members.texts("tags", SIZE_MAX);
    start.resume = members.flag("resume");
    if (const Object* metadata = members.object("metadata")) {
      start.metadata = *metadata;
    }
    for (const auto& [name, id] :
         {std::pair("id", &start.id), std::pair("parent", &start.parent), std::pair("root", &start.root)}) {
      if (!id->empty() && !engine::valid_run_id(*id)) {
        members.complain(name, std::string("does not fit: ") + engine::kRunIdRule);
      }
    }
    if (start.resume && start.id.empty()) {
      members.complain("id", "is required with resume: without one there is nothing to resume");
    }
  }
  return complaints.any() ? complaints.response() : write_and_show(api, call, start);
}

http::Response resume_run(const Api& api, const ApiCall& call) {
  return write_and_show(api, call, ResumeRun{call.parameter()});
}

/// ?sequence=N: only if the run is there.
http::Response erase_run(const Api& api, const ApiCall& call) {
  EraseRun erase{call.parameter(), std::nullopt};
  constexpr std::string_view kNames[] = {"sequence"};
  http::Response refusal;
  const auto parameters = read_known_query(call.request().query, kNames, refusal);
  if (!parameters) {
    return refusal;
  }
  if (!parameters->empty()) {
    const auto sequence = report::parse_whole(parameters->front().second, {1, engine::kSequenceMax});
    if (!sequence) {
      return parameter_error("sequence", "sequence must be a whole number from 1");
    }
    erase.sequence = *sequence;
  }
  const auto written = api.storage.write(erase, call.key());
  if (!written.ok()) {
    return trouble_response(written.status());
  }
  if (auto response = refused(*written)) {
    return std::move(*response);
  }
  return json_response(200, {{"id", Value(written->id)}, {"outcome", Value("erased")}});
}

/// The list `name` of an object, as operations of `run`; absent: no part.
void read_part(const Members& members, const Object& object, const char* name, std::string run, Of of,
               std::vector<RunOperations::Part>& parts) {
  const Value* list = members.any(name);
  if (list == nullptr) {
    return;
  }
  if (!list->is(engine::Type::kArray)) {
    members.complain(name, "must be a list of operations");
    return;
  }
  size_t failed_index = 0;
  auto operations = engine::operations_of(*engine::find_property(object, name), &failed_index);
  if (!operations.ok()) {
    members.complain(std::string(name) + "[" + std::to_string(failed_index) + "]",
                     "does not fit: " + message_of(operations.status()));
    return;
  }
  parts.push_back({std::move(run), std::move(*operations), of});
}

/// Those of one run, its parent and its root.
void read_parts(const Members& members, const Object& object, const std::string& run,
                std::vector<RunOperations::Part>& parts) {
  const size_t before = parts.size();
  read_part(members, object, "operations", run, Of::kRun, parts);
  read_part(members, object, "parentOperations", run, Of::kParent, parts);
  read_part(members, object, "rootOperations", run, Of::kRoot, parts);
  if (parts.size() == before && !members.complaints().any()) {
    members.complain("operations", "is required, or parentOperations or rootOperations");
  }
}

const char* became_of(const Written::Part& part) { return part.accepted ? "accepted" : "applied"; }

Array parts_json(const Written& written, const RunOperations& operations) {
  Array list;
  for (size_t i = 0; i < written.parts.size(); ++i) {
    const Written::Part& part = written.parts[i];
    list.emplace_back(Object{{"id", Value(part.run)},
                             {"operations", Value(static_cast<uint64_t>(operations.parts[i].operations.size()))},
                             {"outcome", Value(became_of(part))},
                             {"sequence", Value(std::to_string(part.sequence))}});
  }
  return list;
}

/// Of operations that are not atomic: {"id", "outcomes", "sequence"}. With a failure these come beside it: what was
/// done before it stays.
Object outcomes_json(const Written& written) {
  Array outcomes;
  const bool accepted = !written.parts.empty() && written.parts.front().accepted;
  for (const engine::Outcome& outcome : written.outcomes) {
    outcomes.emplace_back(accepted ? std::string("accepted") : engine::outcome_text(outcome));
  }
  Object out;
  if (!written.parts.empty()) {
    out.push_back({"id", Value(written.parts.front().run)});
  }
  out.push_back({"outcomes", Value(std::move(outcomes))});
  if (!written.parts.empty()) {
    out.push_back({"sequence", Value(std::to_string(written.parts.front().sequence))});
  }
  return out;
}

http::Response write_operations(const Api& api, const ApiCall& call, const RunOperations& operations) {
  const auto written = api.storage.write(operations, call.key());
  if (!written.ok()) {
    return trouble_response(written.status());
  }
  if (written->refused == Refused::kFailed && !operations.atomic && written->failed_index != SIZE_MAX) {
    return failure_response(written->failure, written->failed_index, outcomes_json(*written));
  }
  if (auto response = refused(*written)) {
    return std::move(*response);
  }
  return json_response(
      200, operations.atomic ? Object{{"parts", Value(parts_json(*written, operations))}} : outcomes_json(*written));
}

/// {"operations"?, "parentOperations"?, "rootOperations"?, "atomic"?}
http::Response change_run(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const auto body = read_body(call.request().body, engine::kOperationLevels + 1, complaints);
  RunOperations operations;
  if (body) {
    const Members members(*body, "", complaints);
    operations.atomic = members.flag("atomic");
    read_parts(members, *body, call.parameter(), operations.parts);
    if (!operations.atomic && !complaints.any() &&
        (operations.parts.size() != 1 || operations.parts.front().of != Of::kRun)) {
      members.complain("atomic", "must be true with parentOperations or rootOperations: they change with the run");
    }
  }
  return complaints.any() ? complaints.response() : write_operations(api, call, operations);
}

/// {"runs": [{"id", "operations"?, "parentOperations"?, "rootOperations"?}, ...]}: of several runs all or none.
http::Response change_runs(const Api& api, const ApiCall& call) {
  Complaints complaints;
  const auto body = read_body(call.request().body, engine::kOperationLevels + 3, complaints);
  RunOperations operations;
  operations.atomic = true;
  const Value* runs = body ? engine::find_property(*body, "runs") : nullptr;
  const Array* list = runs == nullptr ? nullptr : runs->get<Array>();
  if (body && (list == nullptr || list->empty() || list->size() > kPartsMax)) {
    complaints.add_invalid("runs", "must be a list of 1 to " + std::to_string(kPartsMax) + " runs with operations");
    list = nullptr;
  }
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const std::string place = "runs[" + std::to_string(i) + "]";
    const Object* one = (*list)[i].get<Object>();
    if (one == nullptr) {
      complaints.add_invalid(place, "must be an object");
      continue;
    }
    const Members members(*one, place, complaints);
    read_parts(members, *one, members.required_text("id"), operations.parts);
  }
  return complaints.any() ? complaints.response() : write_operations(api, call, operations);
}

}  // namespace

void add_command_routes(const SharedApi& api, std::vector<Route>& routes) {
  routes.push_back(api_route(api, "POST", "/cairn/v1/runs", {}, kTriggerBodyBytesMax, start_run));
  routes.push_back(api_route(api, "DELETE", "/cairn/v1/runs/:id", {}, kUnreadBodyBytesMax, erase_run));
  routes.push_back(api_route(api, "POST", "/cairn/v1/runs/:id/resume", {}, kUnreadBodyBytesMax, resume_run));
  routes.push_back(api_route(api, "POST", "/cairn/v1/runs/:id/operations", {}, kOperationsBodyBytesMax, change_run));
  routes.push_back(api_route(api, "POST", "/cairn/v1/operations", {}, kOperationsBodyBytesMax, change_runs));
}

}  // namespace cairn::server
