#include "engine/diff/compose.h"

#include <cassert>
#include <utility>

#include "engine/diff/evaluate.h"
#include "engine/diff/form_lists.h"
#include "engine/diff/nesting.h"
#include "engine/diff/operation_list.h"
#include "engine/document/path.h"

namespace cairn::engine {
namespace {

/// True if a key that was absent before exists after the form.
bool creates(const DiffEntry& entry) {
  switch (entry.form.kind) {
    case FormKind::kSet:
    case FormKind::kIncrement:
    case FormKind::kIncrementList:
      return true;
    case FormKind::kDelete:
      return false;
    case FormKind::kList:
      return entry.form.lists->coerce;
    case FormKind::kOperations:
      for (const Operation& op : entry.form.lists->operations) {
        if (op.type != OperationType::kRemove && op.type != OperationType::kDelete && acts_on_whole(op, entry.key)) {
          return true;
        }
      }
      return false;
  }
  return false;
}

void become_set(DiffEntry& entry, bool fresh) {
  entry.form = Form(FormKind::kSet);
  entry.form.fresh = fresh;
}

/// f and then g, both kList or kIncrementList and kList: f's lists become those of both.
void append_lists(FormLists& f, const FormLists& g) {
  if (!f.coerce) {
    for (const Value& r : g.removed_before) {
      add_distinct(f.removed_before, r);
    }
  } else {
    for (const Value& r : g.removed_before) {
      drop_equal(f.added, r);
      add_distinct(f.removed_after, r);
    }
  }
  for (const Value& r : g.removed_after) {
    drop_equal(f.added, r);
    add_distinct(f.removed_after, r);
  }
  f.added.insert(f.added.end(), g.added.begin(), g.added.end());
  f.coerce = f.coerce || g.coerce;
}

void compose_increment(Form& f, const Value& d) {
  Operation op;
  op.type = OperationType::kIncrement;
  op.value = d;
  fold_operation(f, op);
}

void compose_list(Form& f, const FormLists& g) {
  switch (f.kind) {
    case FormKind::kSet:
      return;
    case FormKind::kDelete:
      if (g.coerce) {
        f = Form(FormKind::kSet);
        f.fresh = true;
      }
      return;
    case FormKind::kIncrement:
      if (g.coerce) {  // the value is a number, not an array: earlier removes had no effect
        f.kind = FormKind::kIncrementList;
        f.lists = std::make_unique<FormLists>(g);
        f.lists->removed_before.clear();
      }
      return;
    case FormKind::kList:
    case FormKind::kIncrementList:
      return append_lists(*f.lists, g);
    case FormKind::kOperations:
      assert(false && "ordered lists are joined, not composed");
  }
}

/// The table of forms. If the result is a kSet, the caller supplies its value.
void compose_forms(Form& f, const Form& g) {
  switch (g.kind) {
    case FormKind::kIncrement:
      return compose_increment(f, g.delta);
    case FormKind::kList:
      return compose_list(f, *g.lists);
    case FormKind::kIncrementList:
      compose_increment(f, g.delta);
      return compose_list(f, *g.lists);
    case FormKind::kSet:
    case FormKind::kDelete:
    case FormKind::kOperations:
      assert(false && "the caller takes these");
  }
}

bool needs_list(const Form& f, const Form& g) {
  if (f.kind == FormKind::kOperations || g.kind == FormKind::kOperations) {
    return true;
  }
  Value sum;
  return f.kind == FormKind::kIncrement && (g.kind == FormKind::kIncrement || g.kind == FormKind::kIncrementList) &&
         !add_exactly(f.delta, g.delta, sum);
}

/// The list ends in two increments of one path: the last one does not count towards the list's bound.
bool ends_in_increments(const std::vector<Operation>& list) {
  if (list.size() < 2) {
    return false;
  }
  const Operation& a = list[list.size() - 2];
  const Operation& b = list.back();
  return a.type == OperationType::kIncrement && b.type == OperationType::kIncrement && a.key == b.key;
}

Status join_lists(DiffEntry& entry, const DiffEntry& next, size_t operations_max) {
  std::vector<Operation> joined;
  OrderedOperations list(joined);
  if (entry.form.kind == FormKind::kOperations) {
    joined = entry.form.lists->operations;  // already as short as possible
  } else {
    list.push_all(entry.key, entry.form);
  }
  list.push_all(entry.key, next.form);
  if (joined.size() > kStoredOperationsMax || (joined.size() > operations_max && !ends_in_increments(joined))) {
    // Fractional increments are kept one by one, so that the owner adds them in the same order; beyond the bound they
    // become one sum. Accepted operations are kept, however many there are: a log that cannot be folded would keep the
    // store from being opened.
    std::vector<Operation> sums = summed(joined);
    if (accepts(operations_max) && sums.size() > operations_max) {
      return {Code::kBacklog, "too many ordered operations on one key of a run owned elsewhere"};
    }
    if (joined.size() > kStoredOperationsMax) {
      joined = std::move(sums);
    }
  }
  if (accepts(operations_max)) {
    for (const Operation& op : joined) {
      CAIRN_TRY(check_nesting(op));  // later operations may have been folded into a set
    }
  }
  entry.form = Form(FormKind::kOperations);
  entry.form.lists = std::make_unique<FormLists>();
  entry.form.lists->operations = std::move(joined);
  return {};
}

/// Applies `form` to the constant `value`. On error `value` is unchanged.
Status evaluate_constant(const std::string& key, const Form& form, std::optional<Value>& value, size_t operations_max) {
  if (!accepts(operations_max)) {
    static_cast<void>(evaluate(key, form, value));
    return {};
  }
  std::optional<Value> made = value;
  CAIRN_TRY(evaluate(key, form, made));
  CAIRN_TRY(made ? check_nesting(*made) : Status());
  value = std::move(made);
  return {};
}

Status compose_foreign(DiffEntry& entry, const DiffEntry& next, size_t operations_max) {
  if (entry.form.kind == FormKind::kSet) {
    return evaluate_constant(entry.key, next.form, entry.value, operations_max);
  }
  if (entry.form.kind == FormKind::kDelete) {
    std::optional<Value> made;
    CAIRN_TRY(evaluate_constant(entry.key, next.form, made, operations_max));
    if (made) {
      become_set(entry, true);
      entry.value = std::move(made);
    }
    return {};
  }
  if (needs_list(entry.form, next.form)) {
    return join_lists(entry, next, operations_max);
  }
  const bool array_before =
      entry.form.kind == FormKind::kIncrementList || (entry.form.kind == FormKind::kList && entry.form.lists->coerce);
  if (array_before && next.form.kind != FormKind::kList) {
    // The value is an array for certain, which counts as 0: from here on the key is a constant.
    std::optional<Value> made = Value(Array{});
    CAIRN_TRY(evaluate_constant(entry.key, next.form, made, operations_max));
    become_set(entry, false);
    entry.value = std::move(made);
    return {};
  }
  compose_forms(entry.form, next.form);
  return {};
}

/// Composes changes that others make to a run that is here: forms are kept, and the resulting values are known. Nothing
/// is refused.
void compose_known(DiffEntry& entry, const DiffEntry& next) {
  const FormKind& kind = entry.form.kind;
  if (kind == FormKind::kSet || kind == FormKind::kDelete) {
    if (next.gone) {
      entry.form = Form(FormKind::kDelete);
    } else if (kind == FormKind::kDelete) {
      become_set(entry, true);
    }
  } else if (kind != FormKind::kOperations && next.form.kind != FormKind::kOperations) {
    compose_forms(entry.form, next.form);
  } else {
    (void)join_lists(entry, next, kStoredOperationsMax);  // with this bound it refuses nothing
    if (entry.form.lists->operations.size() > kStoredOperationsMax) {
      entry.form = Form(next.gone ? FormKind::kDelete : FormKind::kSet);
    }
  }
  entry.value = next.value;
  entry.gone = next.gone && kind != FormKind::kDelete;
}

}  // namespace

Result<DiffEntry> entry_of(const Operation& op) {
  if (op.type == OperationType::kReplace) {
    return {Code::kInvalidArgument, "a replace has no key"};
  }
  if (const Status refused = check_key(op.key); !refused.ok()) {
    return refused;
  }
  DiffEntry entry;
  if (is_path(op.key)) {
    Result<std::vector<Segment>> segments = parse_path(op.key);
    if (!segments.ok()) {
      return segments.status();
    }
    if (segments->empty()) {
      return {Code::kUnapplied, "an empty path"};
    }
    if (segments->front().kind != Segment::Kind::kName) {
      return {Code::kInvalidArgument, "a path of a run owned elsewhere must start with the name of one key"};
    }
    entry.key = std::move(segments->front().name);
    if (segments->size() > 1) {
      entry.form = Form(FormKind::kOperations);
      entry.form.lists = std::make_unique<FormLists>();
      entry.form.lists->operations.push_back(op);
      return entry;
    }
  } else {
    entry.key = op.key;
  }
  entry.form = form_of(op);
  if (op.type == OperationType::kSet) {
    entry.value = op.value;
  }
  return entry;
}

Status compose(DiffEntry& entry, const DiffEntry& next, bool& moves, size_t operations_max) {
  const FormKind kind_before = entry.form.kind;
  const bool created_before = creates(entry);
  const bool gone_before = std::exchange(entry.gone, false);
  // Entries of a run that is here have values: in them a list without coercion means that the key exists.
  const bool known_before = entry.value.has_value() && next.value.has_value();
  switch (next.form.kind) {
    case FormKind::kSet: {
      const bool fresh =
          next.form.fresh || kind_before == FormKind::kDelete || (kind_before == FormKind::kSet && entry.form.fresh);
      become_set(entry, fresh);
      entry.value = next.value;
      break;
    }
    case FormKind::kDelete:
      entry.form = Form(FormKind::kDelete);
      entry.value.reset();
      break;
    case FormKind::kIncrement:
    case FormKind::kList:
    case FormKind::kIncrementList:
    case FormKind::kOperations:
      if (!next.has_result()) {
        CAIRN_TRY(compose_foreign(entry, next, operations_max));
      } else {
        compose_known(entry, next);
      }
      break;
  }
  moves = next.form.fresh || (gone_before && entry.value.has_value()) || next.form.kind == FormKind::kDelete ||
          (!created_before && !known_before && creates(entry));
  return {};
}

}  // namespace cairn::engine
