#include "api/server/shape_columns.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "api/server/json_syntax.h"
#include "api/server/typed_text.h"
#include "cairn/time.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

using engine::RunStatus;
using Text = std::optional<std::string>;  // none: NULL

constexpr const char* kTypeJson = "application/json";

std::string time_text(int64_t us) {
  std::string out = to_iso8601(
      std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>(std::chrono::microseconds(us)));
  out.pop_back();  // the Z
  return out;
}

Text timestamp(int64_t us) { return us == 0 ? Text() : Text(time_text(us)); }

Text unless_empty(const std::string& text) { return text.empty() ? Text() : Text(text); }

/// An array of texts as PostgreSQL prints it, in order; every element in quotes.
Text text_array(std::vector<std::string> elements) {
  if (elements.empty()) {
    return std::nullopt;
  }
  std::sort(elements.begin(), elements.end());
  std::string out = "{";
  for (const std::string& element : elements) {
    out += out.size() == 1 ? "\"" : ",\"";
    for (const char c : element) {
      if (c == '"' || c == '\\') {
        out += '\\';
      }
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

/// The status as the column has it.
std::string column_status(RunStatus status) {
  switch (status) {
    case RunStatus::kQueued:
      return "PENDING";
    case RunStatus::kWaiting:
      return "WAITING_TO_RESUME";
    case RunStatus::kCompleted:
      return "COMPLETED_SUCCESSFULLY";
    case RunStatus::kFailed:
      return "COMPLETED_WITH_ERRORS";
    default:
      return engine::status_name(status);
  }
}

/// A run that CRASHED can go on: its subscriptions stay open, so it has no end.
int64_t end_us(const RunView& run) { return run.status == RunStatus::kCrashed ? 0 : run.finished_us; }

std::string duration_ms(const RunView& run) {
  const bool known = run.started_us != 0 && run.finished_us > run.started_us;
  return std::to_string(known ? (run.finished_us - run.started_us) / 1000 : 0);
}

/// The client takes an error in few forms only; in another one the subscription ends.
Text error_json(const RunView& run) {
  if (run.error.empty()) {
    return std::nullopt;
  }
  std::string out = R"({"type":"BUILT_IN_ERROR","name":"Error","message":)";
  engine::append_json_string(out, run.error);
  return out + R"(,"stackTrace":""})";
}

struct Column {
  std::string_view name;
  std::string_view type;  // with "[]": one dimension of it
  bool needed;            // by the client: it cannot be left out
  Text (*text)(const RunView& run);
  unsigned part = kHeadOnly;  // of the run, that the text is of
};

/// A text that came by sync, or from the library, was not looked at. A client that cannot parse it ends its subscription,
/// and with it all other runs of that.
Text type_of(const TypedText& typed) {
  return is_json_type(typed.type) && !is_json(typed.text) ? Text("text/plain") : Text(typed.type);
}

Text no_cost(const RunView& /*run*/) { return "0"; }

constexpr std::array<Column, kShapeColumns> kColumns = {{
    {"id", "text", true, [](const RunView& run) { return Text(run.id); }},
    {"taskIdentifier", "text", true, [](const RunView& run) { return Text(run.task); }},
    {"createdAt", "timestamp", true, [](const RunView& run) { return Text(time_text(run.created_us)); }},
    {"updatedAt", "timestamp", false, [](const RunView& run) { return Text(time_text(run.updated_us)); }},
    {"startedAt", "timestamp", false, [](const RunView& run) { return timestamp(run.started_us); }},
    {"delayUntil", "timestamp", false, [](const RunView& run) { return timestamp(run.delayed_until_us); }},
    {"queuedAt", "timestamp", false, [](const RunView& run) { return timestamp(run.queued_us); }},
    {"expiredAt", "timestamp", false,
     [](const RunView& run) { return run.status == RunStatus::kExpired ? timestamp(run.finished_us) : Text(); }},
    {"completedAt", "timestamp", false, [](const RunView& run) { return timestamp(end_us(run)); }},
    {"friendlyId", "text", true, [](const RunView& run) { return Text(run.id); }},
    // The how manyth run of its task it is. Cairn does not count them, and the client takes no NULL.
    {"number", "int4", false, [](const RunView& /*run*/) { return Text("1"); }},
    {"isTest", "bool", false, [](const RunView& run) { return Text(run.is_test ? "t" : "f"); }},
    {"status", "text", true, [](const RunView& run) { return Text(column_status(run.status)); }},
    {"usageDurationMs", "int4", false, [](const RunView& run) { return Text(duration_ms(run)); }},
    {"costInCents", "float8", false, no_cost},
    {"baseCostInCents", "float8", false, no_cost},
    {"ttl", "text", false, [](const RunView& run) { return unless_empty(run.ttl); }},
    {"payload", "text", false, [](const RunView& run) { return run.payload ? Text(run.payload->text) : Text(); },
     kPayload},
    {"payloadType", "text", false, [](const RunView& run) { return run.payload ? type_of(*run.payload) : Text(); },
     kPayload},
    {"metadata", "text", false, [](const RunView& run) { return unless_empty(run.metadata); }, kMetadata},
    {"metadataType", "text", false, [](const RunView& /*run*/) { return Text(kTypeJson); }},
    {"output", "text", false, [](const RunView& run) { return run.output ? Text(run.output->text) : Text(); }, kOutput},
    {"outputType", "text", false,
     [](const RunView& run) { return run.output ? type_of(*run.output) : Text(kTypeJson); }, kOutput},
    {"runTags", "text[]", false, [](const RunView& run) { return text_array(run.tags); }},
    {"error", "jsonb", false, error_json},
    {"realtimeStreams", "text[]", false, [](const RunView& /*run*/) { return Text("{}"); }},
}};

bool is_in(ColumnSet columns, size_t i) { return (columns >> i & 1) != 0; }

}  // namespace

ColumnSet leave_out(ColumnSet columns, std::string_view name) {
  const auto found = std::find_if(kColumns.begin(), kColumns.end(),
                                  [name](const Column& column) { return column.name == name && !column.needed; });
  return found == kColumns.end() ? columns : columns & ~(1u << (found - kColumns.begin()));
}

unsigned parts_of(ColumnSet columns) {
  unsigned out = kHeadOnly;
  for (size_t i = 0; i < kShapeColumns; ++i) {
    out |= is_in(columns, i) ? kColumns[i].part : kHeadOnly;
  }
  return out;
}

std::string schema_text(ColumnSet columns) {
  std::string out = "{";
  for (size_t i = 0; i < kShapeColumns; ++i) {
    if (!is_in(columns, i)) {
      continue;
    }
    const std::string_view type = kColumns[i].type;
    const bool is_array = type.ends_with("[]");
    out.append(out.size() == 1 ? "\"" : ",\"").append(kColumns[i].name).append(R"(":{"type":")");
    out.append(type.substr(0, type.size() - (is_array ? 2 : 0))).append(is_array ? R"(","dims":1})" : "\"}");
  }
  return out + "}";
}

std::string change_text(const RunView& run, ColumnSet columns, RowOperation operation) {
  std::string out = R"({"key":)";
  engine::append_json_string(out, R"("public"."TaskRun"/")" + run.id + "\"");
  out += R"(,"value":{)";
  bool first = true;
  for (size_t i = 0; i < kShapeColumns; ++i) {
    if (!is_in(columns, i)) {
      continue;
    }
    out.append(first ? "\"" : ",\"").append(kColumns[i].name).append("\":");
    first = false;
    if (const Text text = kColumns[i].text(run); text) {
      engine::append_json_string(out, *text);
    } else {
      out += "null";
    }
  }
  out += R"(},"headers":{"operation":")";
  return out + (operation == RowOperation::kInsert ? "insert" : "update") + "\"}}";
}

}  // namespace cairn::server
