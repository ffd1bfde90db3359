#include "engine/evaluate.h"

#include <cassert>
#include <utility>

#include "engine/apply.h"
#include "engine/compose.h"
#include "engine/form_lists.h"
#include "engine/json.h"
#include "engine/nesting.h"
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

Status evaluate_within_depth(const DiffEntry& change, const Value* there, std::optional<Value>& value) {
  CAIRN_TRY(check_nesting(change));
  if (change.form.kind == FormKind::kSet || change.form.kind == FormKind::kDelete) {
    value = change.value;
    return {};
  }
  value = there == nullptr ? std::nullopt : std::optional<Value>(*there);
  CAIRN_TRY(evaluate(change.key, change.form, value));
  const Status s = value ? check_nesting(*value) : Status();
  return s.ok() || (there != nullptr && depth_of(*value) <= depth_of(*there)) ? Status() : s;
}

namespace {

Status put_on_top(const DiffEntry& change, size_t bytes_max, Document& document) {
  int at = document.find(change.key);
  std::optional<Value> value;
  CAIRN_TRY(evaluate_within_depth(change, at < 0 ? nullptr : &document.member(at).value, value));
  const size_t bytes = value ? json_bytes(*value) : 0;
  if (value && !(at < 0 ? document.fits_insert(json_string_bytes(change.key), bytes, bytes_max)
                        : document.fits_assign(at, bytes, bytes_max))) {
    return {Code::kTooLarge, "the metadata would exceed its limit"};
  }
  if (at >= 0 && (!value || change.form.fresh)) {
    document.erase(at);
    at = -1;
  }
  if (value && at >= 0) {
    document.assign(at, std::move(*value), bytes);
  } else if (value) {
    document.insert(change.key, std::move(*value), bytes);
  }
  return {};
}

}  // namespace

std::vector<std::string> put_on_top(Diff& waits, size_t bytes_max, Document& document) {
  std::vector<std::string> left_out;
  if (waits.replace) {
    document.clear();
  }
  std::erase_if(waits.entries, [&](const DiffEntry& change) {
    const bool fits = put_on_top(change, bytes_max, document).ok();
    if (!fits) {
      left_out.push_back(change.key);
    }
    return !fits;
  });
  return left_out;
}

}  // namespace cairn::engine
