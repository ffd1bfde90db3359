#include "engine/document/update_request.h"

#include <utility>

#include "engine/base/error_detail.h"
#include "engine/json/json.h"

namespace cairn::engine {

namespace {

Status read_list(Object& body, const char* name, std::vector<Operation>& into, size_t before, size_t* failed_index) {
  for (auto& [key, value] : body) {
    if (key != name) {
      continue;
    }
    auto list = operations_of(std::move(value), failed_index);
    if (!list.ok()) {
      if (failed_index != nullptr) {
        *failed_index += before;
      }
      return list.status();
    }
    into = std::move(*list);
  }
  return {};
}

}  // namespace

Result<UpdateRequest> parse_update_request(std::string_view json, size_t* failed_index) {
  auto parsed = parse_json(json, 8u << 20, kDepthMax + kOperationLevels + 1);
  if (!parsed.ok()) {
    return parsed.status();
  }
  UpdateRequest request;
  auto* body = parsed->get<Object>();
  if (body == nullptr) {
    auto list = operations_of(std::move(*parsed), failed_index);
    if (!list.ok()) {
      return list.status();
    }
    request.operations = std::move(*list);
    return request;
  }
  const Value* metadata = nullptr;
  bool has_operations = false;
  bool has_any = false;
  for (const auto& [key, value] : *body) {
    if (key == "metadata") {
      metadata = &value;
    } else if (key == "operations") {
      has_operations = true;
    } else if (key != "parentOperations" && key != "rootOperations") {
      return fail(Code::kInvalidArgument,
                  "an update has the members metadata, operations, parentOperations and rootOperations", key);
    }
    has_any = true;
  }
  if (!has_any) {
    return Status(Code::kInvalidArgument, "an update without operations");
  }
  if (metadata != nullptr && !has_operations) {
    if (!metadata->is(Type::kObject)) {
      return Status(Code::kTypeMismatch, "metadata must be an object");
    }
    request.operations.push_back({OperationType::kReplace, "", *metadata});
  }
  size_t count = 0;
  for (const auto& [name, list] :
       {std::pair("operations", &request.operations), std::pair("parentOperations", &request.parent_operations),
        std::pair("rootOperations", &request.root_operations)}) {
    CAIRN_TRY(read_list(*body, name, *list, count, failed_index));
    count += list->size();
  }
  return request;
}

}  // namespace cairn::engine
