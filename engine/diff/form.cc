// Converts an operation to a form, and folds an operation into the form of its key.
#include <algorithm>
#include <cassert>

#include "engine/diff/diff.h"
#include "engine/diff/form_lists.h"

namespace cairn::engine {
namespace {

bool same_operation(const Operation& a, const Operation& b) {
  return a.type == b.type && a.key == b.key && a.value == b.value;
}

void become(Form& form, FormKind kind, bool fresh = false) {
  form.kind = kind;
  form.fresh = fresh;
  form.delta = 0;
  form.lists.reset();
}

void fold_increment(Form& form, const Value& n) {
  switch (form.kind) {
    case FormKind::kSet:
      return;
    case FormKind::kDelete:
      return become(form, FormKind::kSet, true);
    case FormKind::kIncrement:
      // Two finite increments whose sum is not finite: only the result can tell what became of the key.
      if (!add_numbers(form.delta, n, form.delta)) {
        become(form, FormKind::kSet);
      }
      return;
    case FormKind::kList:
      if (form.lists->coerce) {
        return become(form, FormKind::kSet);
      }
      become(form, FormKind::kIncrement);  // an array counts as 0, and everything else is unchanged
      form.delta = n;
      return;
    case FormKind::kIncrementList:
      return become(form, FormKind::kSet);
    case FormKind::kOperations:
      assert(false && "ordered lists are folded by fold_foreign");
  }
}

void fold_append(Form& form, const Value& v) {
  switch (form.kind) {
    case FormKind::kSet:
      return;
    case FormKind::kDelete:
      return become(form, FormKind::kSet, true);
    case FormKind::kIncrement:
      form.lists = std::make_unique<FormLists>();
      form.kind = FormKind::kIncrementList;
      [[fallthrough]];
    case FormKind::kList:
    case FormKind::kIncrementList:
      form.lists->added.push_back(v);  // first: memory may run out
      form.lists->coerce = true;
      return;
    case FormKind::kOperations:
      assert(false && "ordered lists are folded by fold_foreign");
  }
}

void fold_remove(Form& form, const Value& r) {
  switch (form.kind) {
    case FormKind::kSet:
    case FormKind::kDelete:
    case FormKind::kIncrement:
      return;  // the value is a number, not an array
    case FormKind::kList:
    case FormKind::kIncrementList:
      if (form.lists->coerce) {
        drop_equal(form.lists->added, r);
        add_distinct(form.lists->removed_after, r);
      } else {
        add_distinct(form.lists->removed_before, r);
      }
      return;
    case FormKind::kOperations:
      assert(false && "ordered lists are folded by fold_foreign");
  }
}

}  // namespace

void add_distinct(Array& set, const Value& v) {
  if (!contains(set, v)) {
    set.push_back(v);
  }
}

bool contains(const Array& set, const Value& v) {
  return std::any_of(set.begin(), set.end(), [&v](const Value& held) { return deep_equal(held, v); });
}

void drop_equal(Array& items, const Value& v) {
  items.erase(std::remove_if(items.begin(), items.end(), [&v](const Value& held) { return deep_equal(held, v); }),
              items.end());
}

bool FormLists::operator==(const FormLists& o) const {
  return removed_before == o.removed_before && removed_after == o.removed_after && added == o.added &&
         coerce == o.coerce &&
         std::equal(operations.begin(), operations.end(), o.operations.begin(), o.operations.end(), same_operation);
}

Form::Form(const Form& o)
    : kind(o.kind), fresh(o.fresh), delta(o.delta), lists(o.lists ? std::make_unique<FormLists>(*o.lists) : nullptr) {}

Form& Form::operator=(const Form& o) {
  if (this != &o) {
    *this = Form(o);
  }
  return *this;
}

bool Form::operator==(const Form& o) const {
  return kind == o.kind && fresh == o.fresh && delta == o.delta && (lists == nullptr) == (o.lists == nullptr) &&
         (lists == nullptr || *lists == *o.lists);
}

Form form_of(const Operation& op) {
  Form form;
  switch (op.type) {
    case OperationType::kSet:
      break;
    case OperationType::kDelete:
      form.kind = FormKind::kDelete;
      break;
    case OperationType::kIncrement:
      form.kind = FormKind::kIncrement;
      form.delta = op.value;
      break;
    case OperationType::kAppend:
      form.kind = FormKind::kList;
      form.lists = std::make_unique<FormLists>();
      form.lists->coerce = true;
      form.lists->added.push_back(op.value);
      break;
    case OperationType::kRemove:
      form.kind = FormKind::kList;
      form.lists = std::make_unique<FormLists>();
      form.lists->removed_before.push_back(op.value);
      break;
    case OperationType::kReplace:
      assert(false && "replace is no form of one key");
  }
  return form;
}

void fold_operation(Form& form, const Operation& op) {
  switch (op.type) {
    case OperationType::kSet:
      return become(form, FormKind::kSet, form.kind == FormKind::kDelete || form.fresh);
    case OperationType::kDelete:
      return become(form, FormKind::kDelete);
    case OperationType::kIncrement:
      return fold_increment(form, op.value);
    case OperationType::kAppend:
      return fold_append(form, op.value);
    case OperationType::kRemove:
      return fold_remove(form, op.value);
    case OperationType::kReplace:
      assert(false && "replace is no form of one key");
  }
}

}  // namespace cairn::engine
