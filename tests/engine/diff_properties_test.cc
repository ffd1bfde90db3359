// The algebra of forms, held against their meaning as diff.h states it and against the operations one by one.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/diff/diff.h"
#include "engine/diff/fold.h"
#include "engine/diff/operation_list.h"
#include "engine/document/path.h"
#include "tests/support/property.h"
#include "tests/support/reference.h"
#include "tests/support/scripts.h"

namespace cairn::engine {
namespace {

using reference::Slot;

bool in(const Array& set, const Value& v) {
  return std::any_of(set.begin(), set.end(), [&v](const Value& r) { return deep_equal(r, v); });
}

void mean_increment(const Value& delta, Slot& x) {
  Operation op{OperationType::kIncrement, "", delta};
  reference::change(x, op);
}

/// The meaning of L, word by word from diff.h.
void mean_list(const FormLists& l, Slot& x) {
  Array result;
  if (x && x->is(Type::kArray)) {
    for (const Value& item : *x->get<Array>()) {
      if (!in(l.removed_before, item) && !in(l.removed_after, item)) {
        result.push_back(item);
      }
    }
  } else if (!l.coerce) {
    return;
  } else if (x && !in(l.removed_after, *x)) {
    result.push_back(*x);
  }
  for (const Value& item : l.added) {
    result.push_back(item);
  }
  x = Value(result);
}

/// What a diff of forms does to a document, entry by entry in order.
void mean_diff(const Diff& diff, Object& document) {
  Value root = diff.replace ? Value(Object{}) : Value(document);
  for (const DiffEntry& e : diff.entries) {
    Slot x = reference::child(root, e.key);
    switch (e.form.kind) {
      case FormKind::kSet:
        if (e.form.fresh) {
          reference::put_child(root, e.key, {});
        }
        x = e.value;
        break;
      case FormKind::kDelete:
        x.reset();
        break;
      case FormKind::kIncrement:
        mean_increment(e.form.delta, x);
        break;
      case FormKind::kList:
        mean_list(*e.form.lists, x);
        break;
      case FormKind::kIncrementList:
        mean_increment(e.form.delta, x);
        mean_list(*e.form.lists, x);
        break;
      case FormKind::kOperations: {
        std::vector<Outcome> outcomes;
        Object after = *root.get<Object>();
        RC_ASSERT(summed(e.form.lists->operations).size() <= kOperationsMax);
        RC_ASSERT(reference::apply_operations(after, e.form.lists->operations, outcomes).ok());
        root = Value(after);
        continue;
      }
    }
    reference::put_child(root, e.key, x);
  }
  document = *root.get<Object>();
}

bool same_members(const Object& a, const Object& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Property& p, const Property& q) {
    return p.key == q.key && deep_equal(p.value, q.value);
  });
}

/// The operations that a run owned elsewhere takes: paths that name their key.
std::vector<Operation> foreign_operations(const rc::Gen<Value>& numbers, int size) {
  std::vector<Operation> taken;
  for (const Operation& op : *generate::colliding_operations(numbers, size)) {
    Diff scratch;
    const Status status = fold_foreign(scratch, op);
    if (status.ok()) {
      taken.push_back(op);
    } else {
      RC_ASSERT(status.code == Code::kUnapplied || status.code == Code::kInvalidArgument);
      RC_ASSERT(scratch == Diff());
    }
  }
  return taken;
}

Object after(Object document, const std::vector<Operation>& operations) {
  std::vector<Outcome> outcomes;
  RC_ASSERT(reference::apply_operations(document, operations, outcomes).ok());
  return document;
}

/// All ways to bracket diffs[from..to); those that end in a list too long are left out.
std::vector<Diff> folds(const std::vector<Diff>& diffs, size_t from, size_t to) {
  if (to - from == 1) {
    return {diffs[from]};
  }
  std::vector<Diff> all;
  for (size_t cut = from + 1; cut < to; ++cut) {
    for (const Diff& left : folds(diffs, from, cut)) {
      for (const Diff& right : folds(diffs, cut, to)) {
        Diff both = left;
        const Status status = fold(both, right);
        if (status.ok()) {
          all.push_back(both);
        } else {
          RC_ASSERT(status.code == Code::kBacklog);
          RC_ASSERT(both == left);
        }
      }
    }
  }
  return all;
}

void require_forms_mean_the_operations(const rc::Gen<Value>& numbers) {
  const auto operations = foreign_operations(numbers, 14);
  const auto cuts = *rc::gen::container<std::vector<int>>(operations.size(), rc::gen::inRange(0, 5));
  std::vector<Diff> diffs(1);
  Diff whole;
  for (size_t i = 0; i < operations.size(); ++i) {
    RC_ASSERT(fold_foreign(whole, operations[i]).ok());
    RC_ASSERT(fold_foreign(diffs.back(), operations[i]).ok());
    RC_ASSERT(whole.last == i + 1);
    if (diffs.size() < 4 && cuts[i] == 0) {
      Diff next;
      next.base = next.last = i + 1;
      diffs.push_back(next);
    }
  }
  std::vector<Diff> all = folds(diffs, 0, diffs.size());
  all.push_back(whole);
  const auto documents = *rc::gen::container<std::vector<Object>>(3, generate::colliding_object(numbers));
  for (const Object& document : documents) {
    const Object expected = after(document, operations);
    for (const Diff& diff : all) {
      Object got = document;
      mean_diff(diff, got);
      if (!same_members(got, expected)) {
        RC_LOG() << "got " << to_json(Value(got)) << "\nexpected " << to_json(Value(expected)) << "\n";
      }
      RC_ASSERT(same_members(got, expected));
    }
  }
}

TEST(ForeignDiff, FormsMeanWhatTheOperationsDoHoweverTheyAreFolded) {
  check_property(40000, [] { require_forms_mean_the_operations(generate::exact_number()); });
}

TEST(ForeignDiff, WholeNumbersNeverNeedAList) {
  check_property(10000, [] {
    Diff diff;
    for (const Operation& op : foreign_operations(generate::whole_number(), 30)) {
      if (!is_path(op.key)) {
        RC_ASSERT(fold_foreign(diff, op).ok());
      }
    }
    for (const DiffEntry& e : diff.entries) {
      RC_ASSERT(e.form.kind != FormKind::kOperations);
      RC_ASSERT(e.value.has_value() == (e.form.kind == FormKind::kSet));
    }
  });
}

TEST(ForeignDiff, AListNeverGrowsBeyondItsLimit) {
  check_property(3000, [] {
    const auto broken = rc::gen::element(Value(0.1), Value(0.7), Value(1e-9), Value(0.30000000000000004));
    const auto keys = rc::gen::element<std::string>("a", "$.a.b", "$.a.*", "$.a.0");
    const auto operation = rc::gen::map(rc::gen::pair(keys, broken), [](const std::pair<std::string, Value>& p) {
      return Operation{p.first.back() == '*' ? OperationType::kAppend : OperationType::kIncrement, p.first, p.second};
    });
    const auto operations = *rc::gen::container<std::vector<Operation>>(200, operation);
    Diff diff;
    std::vector<Operation> taken;
    bool full = false;
    for (const Operation& op : operations) {
      const Diff before = diff;
      const Status status = fold_foreign(diff, op);
      if (status.ok()) {
        taken.push_back(op);
      } else {
        full = true;
        RC_ASSERT(status.code == Code::kBacklog);
        RC_ASSERT(diff == before);
      }
    }
    RC_ASSERT(full);
    // Increments in a row count once, and are kept one by one all the same.
    const std::vector<Operation>& kept = diff.entries.at(0).form.lists->operations;
    RC_ASSERT(summed(kept).size() == kOperationsMax);
    RC_ASSERT(kept.size() <= kStoredOperationsMax);
    for (const Value& x : {Value(Object{{"b", 1}, {"c", 2}}), Value(Array{1, Array{}}), Value(5)}) {
      Object got{{"a", x}};
      mean_diff(diff, got);
      // Nothing is added up that is not exact, so even broken numbers come out bit-equal.
      RC_ASSERT(Value(got) == Value(after({{"a", x}}, taken)));
    }
  });
}

TEST(DiffCodec, ForeignDiffsComeBackAsTheyWere) {
  check_property(20000, [] {
    Diff diff;
    diff.base = diff.last = *rc::gen::element<uint64_t>(uint64_t{0}, uint64_t{127}, uint64_t{1} << 40);
    for (const Operation& op : *generate::colliding_operations(generate::any_number(), 14)) {
      static_cast<void>(fold_foreign(diff, op));
    }
    ++diff.last;
    diff.updated_us = *rc::gen::arbitrary<int64_t>();
    std::string bytes;
    append_diff(bytes, diff);
    const Result<Diff> decoded = decode_diff(bytes);
    RC_ASSERT(decoded.ok());
    RC_ASSERT(*decoded == diff);
    std::string again;
    append_diff(again, *decoded);
    RC_ASSERT(again == bytes);

    std::string parts;
    append_diff_head(parts, diff.base, diff.last, diff.updated_us, diff.replace, diff.entries.size());
    for (const DiffEntry& e : diff.entries) {
      std::string entry;
      append_entry(entry, e.key, e.form, e.value ? &*e.value : nullptr);
      const Result<DiffEntry> one = decode_entry(entry);
      RC_ASSERT(one.ok());
      RC_ASSERT(*one == e);
      parts += entry;
    }
    RC_ASSERT(parts == bytes);
  });
}

TEST(DiffCodec, HostileBytesAreRefusedOrDecodeToAValidDiff) {
  check_property(40000, [] {
    Diff diff;
    for (const Operation& op : *generate::colliding_operations(generate::any_number(), 10)) {
      static_cast<void>(fold_foreign(diff, op));
    }
    ++diff.last;
    std::string bytes;
    append_diff(bytes, diff);
    const int changes = *rc::gen::inRange(1, 4);
    for (int i = 0; i < changes; ++i) {
      const auto at = static_cast<size_t>(*rc::gen::inRange<int>(0, static_cast<int>(bytes.size())));
      switch (*rc::gen::inRange(0, 4)) {
        case 0:
          bytes[at] = static_cast<char>(*rc::gen::inRange(0, 256));
          break;
        case 1:
          bytes.erase(at, 1);
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(*rc::gen::inRange(0x80, 256)));
          break;
        case 3:
          bytes.resize(at + 1);
          break;
      }
    }
    const Result<Diff> decoded = decode_diff(bytes);
    if (!decoded.ok()) {
      RC_ASSERT(decoded.code() == Code::kCorrupt);
      return;
    }
    std::string again;
    append_diff(again, *decoded);
    const Result<Diff> twice = decode_diff(again);
    RC_ASSERT(twice.ok());
    RC_ASSERT(*twice == *decoded);
    Object document;
    mean_diff(*decoded, document);
    Document live;
    static_cast<void>(apply(*decoded, live));
    Diff folded = *decoded;
    static_cast<void>(fold(folded, [&] {
      Diff next = *decoded;
      next.base = decoded->last;
      next.last = next.base + 1;
      return next;
    }()));
  });
}

}  // namespace
}  // namespace cairn::engine
