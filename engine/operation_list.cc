#include "engine/operation_list.h"

#include <algorithm>
#include <cassert>
#include <optional>

#include "engine/compose.h"
#include "engine/evaluate.h"
#include "engine/path.h"

namespace cairn::engine {
namespace {

Operation make(OperationType type, const std::string& key, Value value) {
  Operation op;
  op.type = type;
  op.key = key;
  op.value = std::move(value);
  return op;
}

/// A delete inside an array shifts its other items, so it keeps its place among all.
bool commute(const Operation& a, const Operation& b) {
  if (!is_path(a.key) || !is_path(b.key) || a.type == OperationType::kDelete || b.type == OperationType::kDelete) {
    return false;
  }
  const Result<std::vector<Segment>> left = parse_path(a.key);
  const Result<std::vector<Segment>> right = parse_path(b.key);
  if (!left.ok() || !right.ok()) {
    return false;
  }
  const auto named = [](const Segment& s) { return s.kind == Segment::Kind::kName; };
  if (!std::all_of(left->begin(), left->end(), named) || !std::all_of(right->begin(), right->end(), named)) {
    return false;
  }
  const size_t shared = std::min(left->size(), right->size());
  for (size_t i = 0; i < shared; ++i) {
    if ((*left)[i].name != (*right)[i].name) {
      return true;
    }
  }
  return false;
}

/// Folds `later` into `earlier`, both of one key; `adjacent`: nothing stands between them.
bool merge(Operation& earlier, const Operation& later, bool adjacent, Sums sums) {
  if (later.type == OperationType::kSet) {
    // A remove makes no key, so the set must not move in front of what may make others.
    if (earlier.type == OperationType::kDelete || (earlier.type == OperationType::kRemove && !adjacent)) {
      return false;
    }
    earlier = later;
    return true;
  }
  if (earlier.type == OperationType::kSet && later.type != OperationType::kDelete) {
    std::optional<Value> constant = std::move(earlier.value);
    static_cast<void>(evaluate_operation(constant, later));
    earlier.value = std::move(*constant);
    return true;
  }
  if (earlier.type != OperationType::kIncrement || later.type != OperationType::kIncrement) {
    return false;
  }
  Value sum;
  if (sums == Sums::kExact ? !add_exactly(earlier.value, later.value, sum)
                           : !add_numbers(earlier.value, later.value, sum)) {
    return false;
  }
  earlier.value = std::move(sum);
  return true;
}

}  // namespace

void push_operation(std::vector<Operation>& list, const Operation& op, Sums sums) {
  for (size_t i = list.size(); i-- > 0;) {
    if (list[i].key == op.key) {
      if (merge(list[i], op, i + 1 == list.size(), sums)) {
        return;
      }
      break;
    }
    if (!commute(list[i], op)) {
      break;
    }
  }
  list.push_back(op);
}

std::vector<Operation> summed(const std::vector<Operation>& list) {
  std::vector<Operation> out;
  for (const Operation& op : list) {
    push_operation(out, op, Sums::kRounded);
  }
  return out;
}

void sum_increments(Diff& diff) {
  for (DiffEntry& e : diff.entries) {
    if (e.form.kind == FormKind::kOperations) {
      e.form.lists->operations = summed(e.form.lists->operations);
    }
  }
}

void append_operations(std::vector<Operation>& list, const std::string& key, const Form& form) {
  if (form.kind == FormKind::kOperations) {
    for (const Operation& op : form.lists->operations) {
      push_operation(list, op);
    }
    return;
  }
  assert(form.kind != FormKind::kSet && form.kind != FormKind::kDelete);
  const std::string name = wire_key(key);
  if (form.kind == FormKind::kIncrement || form.kind == FormKind::kIncrementList) {
    push_operation(list, make(OperationType::kIncrement, name, form.delta));
  }
  if (form.lists == nullptr) {
    return;
  }
  for (const Value& r : form.lists->removed_before) {
    push_operation(list, make(OperationType::kRemove, name, r));
  }
  if (!form.lists->removed_after.empty()) {
    // What was removed after the value had become an array: make it one with an item that goes again at once.
    push_operation(list, make(OperationType::kAppend, name, form.lists->removed_after.front()));
    for (const Value& r : form.lists->removed_after) {
      push_operation(list, make(OperationType::kRemove, name, r));
    }
  }
  for (const Value& v : form.lists->added) {
    push_operation(list, make(OperationType::kAppend, name, v));
  }
}

}  // namespace cairn::engine
