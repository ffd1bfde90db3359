#include "tools/outcome_text.h"

#include "engine/error_detail.h"

namespace cairn::tools {

using engine::OutcomeKind;

std::string outcome_text(const engine::Outcome& outcome) {
  switch (outcome.kind) {
    case OutcomeKind::kApplied:
      return "applied";
    case OutcomeKind::kUnchanged:
      return "unchanged";
    case OutcomeKind::kUnapplied:
      break;
  }
  return std::string("unapplied(") + engine::reason_text(outcome.reason) + ")";
}

Result<std::vector<engine::Operation>> read_operations(std::string_view json) {
  constexpr size_t kNone = SIZE_MAX;
  size_t failed = kNone;
  auto operations = engine::parse_operations(json, &failed);
  if (operations.ok()) {
    return operations;
  }
  // What is wrong with the input is bad data, not the command line.
  Status status = operations.status();
  if (status.code == Code::kInvalidArgument) {
    status.code = Code::kInvalidJson;
  }
  std::string message = status.what;
  if (failed != kNone) {
    message = "operation " + std::to_string(failed) + " (from 0): " + message;
  }
  return engine::fail(status, message + "; operations are [{\"type\":\"set\",\"key\":K,\"value\":V}, ...]");
}

}  // namespace cairn::tools
