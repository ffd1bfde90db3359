#include "api/server/run_json.h"

#include <algorithm>
#include <utility>

#include "api/server/times.h"
#include "api/server/typed_text.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

using engine::RunStatus;

bool is_queued(RunStatus s) {
  return s == RunStatus::kPendingVersion || s == RunStatus::kQueued || s == RunStatus::kDelayed;
}
bool is_executing(RunStatus s) { return s == RunStatus::kDequeued || s == RunStatus::kExecuting; }
/// A crashed run can be resumed, but clients that wait for its end should not wait for that.
bool is_completed(RunStatus s) { return engine::is_final(s) || s == RunStatus::kCrashed; }

void put_time(engine::Object& object, const char* name, int64_t us) {
  if (us != 0) {
    object.push_back({name, iso_text(us)});
  }
}

void put_text(engine::Object& object, const char* name, const std::string& text) {
  if (!text.empty()) {
    object.push_back({name, text});
  }
}

/// The JSON of a document: it is an object, or the storage is wrong.
engine::Value document_of(const std::string& metadata) {
  auto parsed = engine::parse_json(metadata, SIZE_MAX, engine::kStoredDepthMax);
  return parsed.ok() ? std::move(*parsed) : engine::Value(engine::Object());
}

/// What every form has.
engine::Object common_fields(const RunView& run) {
  const RunStatus status = run.status;
  engine::Object out;
  out.reserve(40);
  out.push_back({"id", run.id});
  out.push_back({"status", engine::status_name(status)});
  out.push_back({"taskIdentifier", run.task});
  out.push_back({"taskKind", "STANDARD"});
  out.push_back({"isQueued", is_queued(status)});
  out.push_back({"isExecuting", is_executing(status)});
  out.push_back({"isWaiting", status == RunStatus::kWaiting});
  out.push_back({"isCompleted", is_completed(status)});
  out.push_back({"isSuccess", status == RunStatus::kCompleted});
  out.push_back({"isFailed", is_completed(status) && status != RunStatus::kCompleted});
  out.push_back({"isCancelled", status == RunStatus::kCanceled});
  out.push_back({"isTest", run.is_test});
  out.push_back({"createdAt", iso_text(run.created_us)});
  out.push_back({"updatedAt", iso_text(run.updated_us)});
  put_time(out, "startedAt", run.started_us);
  put_time(out, "finishedAt", run.finished_us);
  put_time(out, "delayedUntil", run.delayed_until_us);
  put_time(out, "expiredAt", status == RunStatus::kExpired ? run.finished_us : 0);
  put_text(out, "ttl", run.ttl);
  put_text(out, "idempotencyKey", run.idempotency_key);
  std::vector<std::string> tags = run.tags;
  std::sort(tags.begin(), tags.end());
  out.push_back({"tags", engine::Array(tags.begin(), tags.end())});
  out.push_back({"costInCents", 0});
  out.push_back({"baseCostInCents", 0});
  const bool has_both = run.started_us != 0 && run.finished_us > run.started_us;
  out.push_back({"durationMs", has_both ? (run.finished_us - run.started_us) / 1000 : int64_t{0}});
  if (!run.metadata.empty()) {
    out.push_back({"metadata", document_of(run.metadata)});
  }
  return out;
}

engine::Object related_run(const RunView& run) {
  engine::Object out = common_fields(run);
  out.push_back({"depth", int64_t{run.depth}});
  out.push_back({"triggerFunction", engine::trigger_function_name(run.function)});
  put_text(out, "batchId", run.batch);
  return out;
}

}  // namespace

engine::Object retrieved_run(const RunView& run) {
  engine::Object out = related_run(run);
  if (run.payload) {
    out.push_back({"payload", decode_typed(*run.payload)});
  }
  if (run.output) {
    out.push_back({"output", decode_typed(*run.output)});
  }
  if (!run.error.empty()) {
    out.push_back({"error", engine::Object{{"message", run.error}, {"name", "Error"}}});
  }
  out.push_back({"attemptCount", run.started_us != 0 ? 1 : 0});
  engine::Object relatives;
  if (run.root_run != nullptr) {
    relatives.push_back({"root", related_run(*run.root_run)});
  }
  if (run.parent_run != nullptr) {
    relatives.push_back({"parent", related_run(*run.parent_run)});
  }
  if (!run.children.empty()) {
    engine::Array children;
    for (const RunView& child : run.children) {
      children.emplace_back(related_run(child));
    }
    relatives.push_back({"children", std::move(children)});
  }
  out.push_back({"relatedRuns", std::move(relatives)});
  return out;
}

engine::Object listed_run(const RunView& run, const std::string& environment_id, const std::string& environment) {
  engine::Object out = common_fields(run);
  out.push_back({"env", engine::Object{{"id", environment_id}, {"name", environment}}});
  return out;
}

}  // namespace cairn::server
