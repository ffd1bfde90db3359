#include "engine/document/apply.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "engine/json/json.h"

namespace cairn::engine {
namespace {

Edit unapplied(Reason reason) {
  Edit edit;
  edit.outcome = {OutcomeKind::kUnapplied, reason};
  return edit;
}

Edit unchanged() {
  Edit edit;
  edit.outcome = {OutcomeKind::kUnchanged, Reason::kNone};
  return edit;
}

Edit applied(EditKind kind) {
  Edit edit;
  edit.kind = kind;
  return edit;
}

constexpr Status kDocumentTooDeep{Code::kTooDeep, "the document would be nested deeper than 128"};

Result<Edit> plan_append(const Value* existing, const Value& item, int levels) {
  const bool wraps = existing != nullptr && !existing->is(Type::kArray);
  const int inside = std::max(depth_of(item), wraps ? depth_of(*existing) : 0);
  if (levels + 1 + inside > kDepthMax) {
    return kDocumentTooDeep;
  }
  return applied(wraps ? EditKind::kWrap : EditKind::kPush);
}

Result<Edit> plan_remove(const Value* existing, const Value& item) {
  if (existing == nullptr) {
    return unapplied(Reason::kMissingKey);
  }
  const Array* array = existing->get<Array>();
  if (array == nullptr) {
    // By the table null at a key is "unapplied" like any other value that is not an array.
    return unapplied(Reason::kNotAnArray);
  }
  Edit edit = applied(EditKind::kDrop);
  edit.dropped = equal_items(*array, item);
  return edit.dropped.empty() ? unchanged() : std::move(edit);
}

Result<Edit> plan_increment(const Value* existing, const Value& by) {
  if (!by.is_number()) {
    return {Code::kInvalidArgument, "increment needs a number"};
  }
  if (const double* d = by.get<double>(); d != nullptr && !std::isfinite(*d)) {
    return {Code::kNotFinite, "increment by NaN or infinity"};
  }
  Edit edit = applied(EditKind::kNumber);
  if (existing == nullptr || !existing->is_number()) {
    edit.number = by;
  } else if (!add_numbers(*existing, by, edit.number)) {
    return unapplied(Reason::kOverflow);
  }
  return edit;
}

}  // namespace

Result<Edit> plan_edit(const Value* existing, const Operation& op, int levels) {
  switch (op.type) {
    case OperationType::kSet:
      if (levels + depth_of(op.value) > kDepthMax) {
        return kDocumentTooDeep;
      }
      return applied(EditKind::kAssign);
    case OperationType::kDelete:
      return existing == nullptr ? unchanged() : applied(EditKind::kErase);
    case OperationType::kAppend:
      return plan_append(existing, op.value, levels);
    case OperationType::kRemove:
      return plan_remove(existing, op.value);
    case OperationType::kIncrement:
      return plan_increment(existing, op.value);
    case OperationType::kReplace:
      break;
  }
  return {Code::kInvalidArgument, "an update of the whole metadata has no single value"};
}

void carry_out(Edit edit, Value argument, Value& slot) {
  switch (edit.kind) {
    case EditKind::kAssign:
      slot = std::move(argument);
      return;
    case EditKind::kNumber:
      slot = std::move(edit.number);
      return;
    case EditKind::kPush:
      if (!slot.is(Type::kArray)) {
        slot.storage.emplace<Array>();
      }
      slot.get<Array>()->push_back(std::move(argument));
      return;
    case EditKind::kWrap: {
      Array both;
      both.reserve(2);
      both.push_back(std::move(slot));
      both.push_back(std::move(argument));
      slot = Value(std::move(both));
      return;
    }
    case EditKind::kDrop: {
      Array& array = *slot.get<Array>();
      size_t kept = edit.dropped.front();
      auto next = edit.dropped.begin();
      for (size_t i = kept; i < array.size(); ++i) {
        if (next != edit.dropped.end() && *next == i) {
          ++next;
        } else {
          array[kept++] = std::move(array[i]);
        }
      }
      array.resize(kept);
      return;
    }
    case EditKind::kNone:
    case EditKind::kErase:
      break;
  }
  assert(false);
}

size_t edited_bytes(const Edit& edit, const Operation& op, const Value* existing, size_t existing_bytes) {
  constexpr size_t kBrackets = 2;
  constexpr size_t kComma = 1;
  switch (edit.kind) {
    case EditKind::kNone:
      return existing_bytes;
    case EditKind::kAssign:
      return json_bytes(op.value);
    case EditKind::kNumber:
      return json_bytes(edit.number);
    case EditKind::kErase:
      return 0;
    case EditKind::kPush: {
      const size_t item = json_bytes(op.value);
      if (existing == nullptr) {
        return kBrackets + item;
      }
      return existing_bytes + item + (existing->get<Array>()->empty() ? 0 : kComma);
    }
    case EditKind::kWrap:
      return kBrackets + existing_bytes + kComma + json_bytes(op.value);
    case EditKind::kDrop: {
      const Array& array = *existing->get<Array>();
      size_t bytes = existing_bytes;
      for (const size_t i : edit.dropped) {
        bytes -= json_bytes(array[i]) + kComma;
      }
      return bytes + (edit.dropped.size() == array.size() ? kComma : 0);  // n items have n - 1 commas
    }
  }
  return existing_bytes;
}

std::vector<size_t> equal_items(const Array& array, const Value& item) {
  std::vector<size_t> at;
  for (size_t i = 0; i < array.size(); ++i) {
    if (deep_equal(array[i], item)) {
      at.push_back(i);
    }
  }
  return at;
}

}  // namespace cairn::engine
