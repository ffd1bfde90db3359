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

void evaluate_path(Value& x, const Operation& op) {
  const Result<std::vector<Segment>> segments = parse_path(op.key);
  if (!segments.ok() || segments->size() < 2) {
    return;
  }
  // Applied or not is the owner's answer; what a constant makes of it is final either way.
  static_cast<void>(apply_at(x, *segments, 1, op, kConstantBytesMax));
}

void evaluate_list(const FormLists& lists, std::optional<Value>& x) {
  const bool array = x && x->is(Type::kArray);
  if (!array && !lists.coerce) {
    return;
  }
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
      wrapped.push_back(std::move(*x));
    }
    x = Value(std::move(wrapped));
  }
  Array& items = *x->get<Array>();
  items.insert(items.end(), lists.added.begin(), lists.added.end());
}

}  // namespace

bool acts_on_whole(const Operation& op, const std::string& key) { return op.key == wire_key(key); }

void evaluate_operation(std::optional<Value>& x, const Operation& op) {
  Result<Edit> edit = plan_edit(x ? &*x : nullptr, op, 1);
  if (!edit.ok() || edit->kind == EditKind::kNone) {
    return;
  }
  if (edit->kind == EditKind::kErase) {
    x.reset();
    return;
  }
  if (!x) {
    x.emplace();
  }
  carry_out(std::move(edit).value(), op.value, *x);
}

void evaluate(const std::string& key, const Form& form, std::optional<Value>& x) {
  assert(form.kind != FormKind::kSet && form.kind != FormKind::kDelete);
  if (form.kind == FormKind::kIncrement || form.kind == FormKind::kIncrementList) {
    Operation increment;
    increment.type = OperationType::kIncrement;
    increment.value = form.delta;
    evaluate_operation(x, increment);
  }
  if (form.kind == FormKind::kList || form.kind == FormKind::kIncrementList) {
    evaluate_list(*form.lists, x);
  }
  if (form.kind == FormKind::kOperations) {
    for (const Operation& op : form.lists->operations) {
      if (acts_on_whole(op, key)) {
        evaluate_operation(x, op);
      } else if (x) {
        evaluate_path(*x, op);
      }
    }
  }
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
    evaluate(e.key, e.form, value);
    e.form = Form(value ? FormKind::kSet : FormKind::kDelete);
    e.value = std::move(value);
  }
  return apply(waits, document);
}

}  // namespace cairn::engine
