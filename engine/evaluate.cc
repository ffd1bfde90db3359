#include "engine/evaluate.h"

#include <cassert>
#include <utility>

#include "engine/apply.h"
#include "engine/compose.h"
#include "engine/form_lists.h"
#include "engine/path.h"

namespace cairn::engine {
namespace {

// What a path may allocate in nulls and copies: as much as the largest document. The owner would refuse what needs
// more, so here too it changes nothing.
constexpr size_t kConstantBytesMax = 256u << 10;
constexpr int kWrapLevels = 2;  // the document and the new list
constexpr Status kTooDeepToWrap{Code::kTooDeep, "a list around the value would be nested deeper than 64"};

Status evaluate_path(Value& x, const Operation& op) {
  const Result<std::vector<Segment>> segments = parse_path(op.key);
  if (!segments.ok() || segments->size() < 2) {
    return segments.status();
  }
  // Applied or not is the owner's answer; what a constant makes of it is final either way.
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

Status put_on_top(Diff waits, Document& document) {
  if (waits.last == 0) {
    return {};
  }
  for (DiffEntry& e : waits.entries) {
    if (e.form.kind == FormKind::kSet || e.form.kind == FormKind::kDelete) {
      continue;
    }
    const int at = document.find(e.key);
    std::optional<Value> value = at < 0 ? std::nullopt : std::optional<Value>(document.member(at).value);
    static_cast<void>(evaluate(e.key, e.form, value));
    e.form = Form(value ? FormKind::kSet : FormKind::kDelete);
    e.value = std::move(value);
    e.gone = false;
  }
  return apply(waits, document);
}

}  // namespace cairn::engine
