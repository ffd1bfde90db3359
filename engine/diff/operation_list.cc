#include "engine/diff/operation_list.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <optional>

#include "engine/diff/evaluate.h"
#include "engine/document/path.h"

namespace cairn::engine {
namespace {

Operation make(OperationType type, const std::string& key, Value value) {
  Operation op;
  op.type = type;
  op.key = key;
  op.value = std::move(value);
  return op;
}

/// Whether the operation commutes with no other. A delete inside an array shifts its other items, so a delete does not.
bool is_alone(const Operation& op) { return !is_path(op.key) || op.type == OperationType::kDelete; }

/// Folds `later` into `earlier`, both of one key; `adjacent`: there is no operation between them.
bool merge(Operation& earlier, const Operation& later, bool adjacent, Sums sums) {
  if (later.type == OperationType::kSet) {
    // A remove creates no key, so the set must not move before operations that may create others.
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

bool add_exactly(const Value& a, const Value& b, Value& sum) {
  constexpr double kExactBelow = 9007199254740992.0;  // 2^53
  const auto exact = [](const Value& v) {
    if (const double* d = v.get<double>()) {
      return std::trunc(*d) == *d && std::fabs(*d) < kExactBelow;
    }
    return true;
  };
  const auto integer_within = [](const Value& v) {
    if (const int64_t* i = v.get<int64_t>()) {
      return *i < (int64_t{1} << 53) && *i > -(int64_t{1} << 53);
    }
    return v.is(Type::kDouble);
  };
  if (!exact(a) || !exact(b)) {
    return false;
  }
  const bool integers = !a.is(Type::kDouble) && !b.is(Type::kDouble);
  if (!integers && !(integer_within(a) && integer_within(b))) {
    return false;
  }
  Value result;
  if (!add_numbers(a, b, result)) {
    return false;
  }
  if (integers ? result.is(Type::kDouble) : !exact(result)) {
    return false;
  }
  sum = std::move(result);
  return true;
}

// The names on the path to where it acts; empty: it commutes with no other.
std::vector<std::string> OrderedOperations::place_of(const Operation& op) {
  std::vector<std::string> place;
  if (is_alone(op)) {
    return place;
  }
  ++parsed_;
  Result<std::vector<Segment>> segments = parse_path(op.key);
  if (!segments.ok()) {
    return place;
  }
  for (Segment& s : *segments) {
    if (s.kind != Segment::Kind::kName) {
      return {};
    }
    place.push_back(std::move(s.name));
  }
  return place;
}

void OrderedOperations::index_next() {
  const std::vector<std::string> place = place_of(list_[indexed_]);
  ++indexed_;
  if (place.empty()) {
    last_alone_ = indexed_;
    return;
  }
  size_t at = 0;
  for (const std::string& name : place) {
    places_[at].last_under = indexed_;
    const auto [next, made] = names_.try_emplace({at, name}, places_.size());
    if (made) {
      places_.emplace_back();
    }
    at = next->second;
  }
  places_[at].last_here = places_[at].last_under = indexed_;
}

// The last operation in the list that does not commute with one that acts at `place`.
size_t OrderedOperations::last_that_meets(const std::vector<std::string>& place) const {
  size_t last = last_alone_;
  size_t at = 0;
  for (const std::string& name : place) {
    const auto next = names_.find({at, name});
    if (next == names_.end()) {
      return last;
    }
    at = next->second;
    last = std::max(last, places_[at].last_here);
  }
  return std::max(last, places_[at].last_under);
}

void OrderedOperations::push(const Operation& op) {
  size_t meets = list_.size();
  if (!list_.empty() && list_.back().key != op.key && !is_alone(list_.back())) {
    if (const std::vector<std::string> place = place_of(op); !place.empty()) {
      while (indexed_ < list_.size()) {
        index_next();
      }
      meets = last_that_meets(place);
    }
  }
  if (meets == 0 || list_[meets - 1].key != op.key || !merge(list_[meets - 1], op, meets == list_.size(), sums_)) {
    list_.push_back(op);
  }
}

std::vector<Operation> summed(const std::vector<Operation>& list) {
  std::vector<Operation> out;
  OrderedOperations sums(out, Sums::kRounded);
  for (const Operation& op : list) {
    sums.push(op);
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

void OrderedOperations::push_all(const std::string& key, const Form& form) {
  if (form.kind == FormKind::kOperations) {
    for (const Operation& op : form.lists->operations) {
      push(op);
    }
    return;
  }
  assert(form.kind != FormKind::kSet && form.kind != FormKind::kDelete);
  const std::string name = wire_key(key);
  if (form.kind == FormKind::kIncrement || form.kind == FormKind::kIncrementList) {
    push(make(OperationType::kIncrement, name, form.delta));
  }
  if (form.lists == nullptr) {
    return;
  }
  for (const Value& r : form.lists->removed_before) {
    push(make(OperationType::kRemove, name, r));
  }
  if (!form.lists->removed_after.empty()) {
    // Items were removed after the value had become an array: make it one, by appending an item that is removed at
    // once.
    push(make(OperationType::kAppend, name, form.lists->removed_after.front()));
    for (const Value& r : form.lists->removed_after) {
      push(make(OperationType::kRemove, name, r));
    }
  }
  for (const Value& v : form.lists->added) {
    push(make(OperationType::kAppend, name, v));
  }
}

}  // namespace cairn::engine
