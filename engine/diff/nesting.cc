#include "engine/diff/nesting.h"

#include <algorithm>

#include "engine/document/path.h"

namespace cairn::engine {
namespace {

constexpr Status kTooDeepThere{Code::kTooDeep, "nested deeper than 128 where it would stand: make the value flatter"};

Status check_items(const Array& items) {
  return std::all_of(items.begin(), items.end(), [](const Value& item) { return 2 + depth_of(item) <= kDepthMax; })
             ? Status()
             : kTooDeepThere;
}

}  // namespace

Status check_nesting(const Operation& op) {
  if (op.type == OperationType::kDelete || op.type == OperationType::kIncrement) {
    return {};  // an increment puts a number where any value could be: nothing is nested deeper
  }
  int levels = 1;
  if (is_path(op.key)) {
    const Result<std::vector<Segment>> segments = parse_path(op.key);
    CAIRN_TRY(segments.status());
    levels = static_cast<int>(std::min<size_t>(segments->size(), kDepthMax + 1));
  }
  levels += op.type == OperationType::kAppend || op.type == OperationType::kRemove ? 1 : 0;
  return levels + depth_of(op.value) <= kDepthMax ? Status() : kTooDeepThere;
}

Status check_nesting(const Value& value) { return 1 + depth_of(value) <= kDepthMax ? Status() : kTooDeepThere; }

Status check_nesting(const DiffEntry& entry) {
  if (entry.value) {
    CAIRN_TRY(check_nesting(*entry.value));
  }
  if (entry.form.lists == nullptr) {
    return {};
  }
  const FormLists& lists = *entry.form.lists;
  for (const Array* items : {&lists.removed_before, &lists.removed_after, &lists.added}) {
    CAIRN_TRY(check_items(*items));
  }
  for (const Operation& op : lists.operations) {
    CAIRN_TRY(check_nesting(op));
  }
  return {};
}

Status check_nesting(const std::vector<DiffEntry>& entries) {
  for (const DiffEntry& entry : entries) {
    CAIRN_TRY(check_nesting(entry));
  }
  return {};
}

Status check_nesting(const Document& document, int levels_max) {
  for (int i = 0; i < document.size(); ++i) {
    if (1 + depth_of(document.member(i).value) > levels_max) {
      return kTooDeepThere;
    }
  }
  return {};
}

}  // namespace cairn::engine
