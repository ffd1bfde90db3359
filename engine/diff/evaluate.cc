#include "engine/diff/evaluate.h"

#include <cassert>
#include <utility>

#include "engine/diff/form_lists.h"
#include "engine/document/apply.h"
#include "engine/document/path_apply.h"
#include "engine/json/json.h"

namespace cairn::engine {
namespace {

// How much a path may allocate in nulls and copies: the size of the largest document. The owner would refuse more, so
// an operation that needs more changes nothing here either.
constexpr size_t kConstantBytesMax = 256u << 10;
constexpr int kWrapLevels = 2;  // the document and the new list
constexpr Status kTooDeepToWrap{Code::kTooDeep, "a list around the value would be nested deeper than 128"};

Status evaluate_path(Value& x, const Operation& op) {
  const Result<std::vector<Segment>> segments = parse_path(op.key);
  if (!segments.ok() || segments->size() < 2) {
    return segments.status();
  }
  // Whether it is applied or not, the resulting constant is final.
  return apply_at(x, *segments, 1, op, kConstantBytesMax).status();
}

Status evaluate_list(const FormLists& lists, std::optional<Value>& x) {
  const bool array = x && x->is(Type::kArray);
  if (!array && !lists.coerce) {
    return {};
  }
  Status status;
  if (array) {
    for (const Value& r : lists.removed_before) {
      drop_equal(*x->get<Array>(), r);
    }
    for (const Value& r : lists.removed_after) {
      drop_equal(*x->get<Array>(), r);
    }
  } else {
    Array wrapped;
    if (x && !contains(lists.removed_after, *x)) {
      status = kWrapLevels + depth_of(*x) > kDepthMax ? kTooDeepToWrap : Status();
      wrapped.push_back(std::move(*x));
    }
    x = Value(std::move(wrapped));
  }
  Array& items = *x->get<Array>();
  items.insert(items.end(), lists.added.begin(), lists.added.end());
  return status;
}

}  // namespace

bool acts_on_whole(const Operation& op, const std::string& key) { return op.key == wire_key(key); }

Status evaluate_operation(std::optional<Value>& x, const Operation& op) {
  Result<Edit> edit = plan_edit(x ? &*x : nullptr, op, 1);
  if (!edit.ok() || edit->kind == EditKind::kNone) {
    return edit.status();
  }
  if (edit->kind == EditKind::kErase) {
    x.reset();
    return {};
  }
  if (!x) {
    x.emplace();
  }
  carry_out(std::move(edit).value(), op.value, *x);
  return {};
}

Status evaluate(const std::string& key, const Form& form, std::optional<Value>& x) {
  assert(form.kind != FormKind::kSet && form.kind != FormKind::kDelete);
  Status first;
  const auto note = [&first](const Status& s) { first = first.ok() ? s : first; };
  if (form.kind == FormKind::kIncrement || form.kind == FormKind::kIncrementList) {
    Operation increment;
    increment.type = OperationType::kIncrement;
    increment.value = form.delta;
    note(evaluate_operation(x, increment));
  }
  if (form.kind == FormKind::kList || form.kind == FormKind::kIncrementList) {
    note(evaluate_list(*form.lists, x));
  }
  if (form.kind == FormKind::kOperations) {
    for (const Operation& op : form.lists->operations) {
      if (acts_on_whole(op, key)) {
        note(evaluate_operation(x, op));
      } else if (x) {
        note(evaluate_path(*x, op));
      }
    }
  }
  return first;
}

}  // namespace cairn::engine
