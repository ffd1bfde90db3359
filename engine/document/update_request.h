// The body of one update of a run's metadata, as Trigger.dev's API takes it: operations on the run, on its parent and
// on its root, or a whole object instead.
#pragma once

#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/document/operation.h"

namespace cairn::engine {

struct UpdateRequest {
  std::vector<Operation> operations;
  std::vector<Operation> parent_operations;
  std::vector<Operation> root_operations;
};

/// {"metadata"?: {...}, "operations"?: [...], "parentOperations"?: [...], "rootOperations"?: [...]}, or the list of
/// operations alone. `operations`, even an empty list, overrides `metadata`, which counts as one `update`. Errors:
/// kInvalidArgument (another member, or none), kTypeMismatch (`metadata` is not an object), those of operations_of;
/// `failed_index`, if given, gets the position, counted through the three lists in this order.
Result<UpdateRequest> parse_update_request(std::string_view json, size_t* failed_index = nullptr);

}  // namespace cairn::engine
