#include "tools/input/operations.h"

#include <algorithm>

#include "engine/base/error_detail.h"
#include "engine/json/json.h"

namespace cairn::tools {

namespace {

constexpr size_t kNone = SIZE_MAX;
constexpr std::string_view kOperationsOf[] = {"operations", "parentOperations", "rootOperations"};  // as Of

// What is wrong with the input is bad data, not the command line.
Status not_operations(Status status, size_t failed, const std::string& form) {
  const engine::ErrorDetail& detail = engine::error_detail();
  const bool described = detail.code == status.code;
  const std::string key = failed != kNone && described ? detail.key : "";
  std::string message = described && *status.what == '\0' ? detail.message : status.what;
  if (status.code == Code::kInvalidArgument) {
    status.code = Code::kInvalidJson;
  }
  if (failed != kNone) {
    message = "operation " + std::to_string(failed) + " (from 0): " + message;
  }
  return engine::fail(status, message + "; " + form, key);
}

}  // namespace

Result<std::vector<engine::Operation>> read_operations(std::string_view json) {
  size_t failed = kNone;
  auto operations = engine::parse_operations(json, &failed);
  return operations.ok() ? std::move(operations)
                         : not_operations(operations.status(), failed,
                                          "operations are [{\"type\":\"set\",\"key\":K,\"value\":V}, ...]");
}

Result<std::vector<RunOperations>> read_run_operations(std::string_view lines) {
  constexpr int kLevels = engine::kDepthMax + engine::kOperationLevels + 1;  // the line itself
  constexpr const char* kForm = "a line is {\"id\":ID,\"operations\":[{\"type\":\"set\",\"key\":K,\"value\":V}, ...]}";
  std::vector<RunOperations> all;
  for (uint64_t number = 1; !lines.empty(); ++number) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    const auto bad = [number](Status status, size_t failed) {
      const Status s = not_operations(status, failed, kForm);
      engine::error_detail().message = "line " + std::to_string(number) + ": " + engine::error_detail().message;
      return s;
    };
    auto parsed = engine::parse_json(line, 8u << 20, kLevels);
    if (!parsed.ok()) {
      return bad(parsed.status(), kNone);
    }
    auto* object = parsed->get<engine::Object>();
    if (object == nullptr || object->size() < 2) {
      return bad({Code::kInvalidJson, "it is not an object with \"id\" and operations"}, kNone);
    }
    const std::string* run = nullptr;
    for (const engine::Property& member : *object) {
      run = member.key == "id" ? member.value.get<std::string>() : run;
    }
    if (run == nullptr) {
      return bad({Code::kInvalidJson, "it has no \"id\" that is a text"}, kNone);
    }
    const std::string id = *run;
    for (engine::Property& member : *object) {
      if (member.key == "id") {
        continue;
      }
      const auto name = std::find(std::begin(kOperationsOf), std::end(kOperationsOf), member.key);
      if (name == std::end(kOperationsOf)) {
        return bad({Code::kInvalidJson,
                    "a member other than \"id\", \"operations\", \"parentOperations\" and \"rootOperations\""},
                   kNone);
      }
      RunOperations found;
      found.run = id;
      found.line = number;
      found.of = static_cast<Of>(name - std::begin(kOperationsOf));
      size_t failed = kNone;
      auto operations = engine::operations_of(std::move(member.value), &failed);
      if (!operations.ok()) {
        return bad(operations.status(), failed);
      }
      found.operations = std::move(*operations);
      all.push_back(std::move(found));
    }
  }
  return all;
}

}  // namespace cairn::tools
