// Operations as a user writes them: one JSON array, or lines for several runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/document/operation.h"

namespace cairn::tools {

/// A JSON array of operations as it came from a user; on failure the detail says which one is wrong, and the code is
/// one of bad data.
Result<std::vector<engine::Operation>> read_operations(std::string_view json);

/// Operations of one of several runs, or of its parent or root.
enum class Of : uint8_t { kRun, kParent, kRoot };
struct RunOperations {
  std::string run;
  std::vector<engine::Operation> operations;
  uint64_t line = 0;  // of the input, from 1
  Of of = Of::kRun;
};
/// Lines of {"id":ID,"operations":[...]}, also with "parentOperations" and "rootOperations"; blank ones are passed
/// over. On failure the detail names the line.
Result<std::vector<RunOperations>> read_run_operations(std::string_view lines);

}  // namespace cairn::tools
