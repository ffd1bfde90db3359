// What a live document promises for every sequence of operations. The oracle is tests/support/reference.h.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "engine/diff/fold.h"
#include "engine/diff/live_document.h"
#include "tests/support/allocations.h"
#include "tests/support/property.h"
#include "tests/support/reference.h"
#include "tests/support/scripts.h"

namespace cairn::engine {
namespace {

constexpr size_t kNoLimit = 1u << 30;

struct Answer {
  Status status;
  Outcome outcome;
  SizeDetail detail;
  int entry = -1;
};

Answer apply_to(LiveDocument& live, const Operation& op, size_t limit = kNoLimit) {
  Answer a;
  a.status = live.apply(op, limit, a.outcome, a.detail, a.entry);
  return a;
}

/// The same operation by a hot call where there is one; -1 if not, or if that declines.
int apply_fast(LiveDocument& live, const Operation& op, size_t limit) {
  const int i = live.document().find(op.key);
  if (i < 0 || is_path(op.key)) {
    return -1;
  }
  if (op.type == OperationType::kIncrement) {
    return live.increment(i, op.value, limit);
  }
  if (op.type != OperationType::kSet) {
    return -1;
  }
  switch (op.value.type()) {
    case Type::kDouble:
      return live.set_double(i, *op.value.get<double>(), limit);
    case Type::kInt64:
      return live.set_int(i, *op.value.get<int64_t>(), limit);
    case Type::kBool:
      return live.set_bool(i, *op.value.get<bool>(), limit);
    case Type::kString:
      return live.set_string(i, *op.value.get<std::string>(), json_bytes(op.value), limit);
    default:
      return -1;
  }
}

LiveDocument live_from(const Object& object, uint64_t base = 0) {
  LiveDocument live;
  live.reset(Document::from_object(object), base);
  return live;
}

void require_consistent(LiveDocument& live) {
  Document& document = live.document();
  const PendingDiff& pending = live.pending();
  const std::string text = to_json(Value(document.to_object()));
  RC_ASSERT(document.to_json() == text);
  RC_ASSERT(document.bytes_bound() >= text.size());
  int with_entry = 0;
  for (int i = 0; i < document.size(); ++i) {
    RC_ASSERT(document.find(document.member(i).key) == i);
    const int entry = document.member(i).pending;
    if (entry >= 0) {
      ++with_entry;
      RC_ASSERT(pending.entries.at(static_cast<size_t>(entry)).member == i);
    }
  }
  int deleted = 0;
  for (size_t e = 0; e < pending.entries.size(); ++e) {
    const PendingEntry& entry = pending.entries[e];
    RC_ASSERT((entry.member < 0) == (entry.form.kind == FormKind::kDelete));
    if (entry.member < 0) {
      ++deleted;
      RC_ASSERT(document.find(entry.key) < 0);
    } else {
      RC_ASSERT(document.member(entry.member).pending == static_cast<int>(e));
    }
    if (pending.replace) {
      RC_ASSERT(entry.form == Form());
      RC_ASSERT(entry.member == static_cast<int>(e));
    }
  }
  RC_ASSERT(with_entry + deleted == static_cast<int>(pending.entries.size()));
  RC_ASSERT(!pending.replace || with_entry == document.size());
}

std::string encoded(const Diff& diff) {
  std::string bytes;
  append_diff(bytes, diff);
  return bytes;
}

/// All ways to bracket diffs[from..to).
std::vector<Diff> all_folds(const std::vector<Diff>& diffs, size_t from, size_t to) {
  if (to - from == 1) {
    return {diffs[from]};
  }
  std::vector<Diff> all;
  for (size_t cut = from + 1; cut < to; ++cut) {
    for (const Diff& left : all_folds(diffs, from, cut)) {
      for (const Diff& right : all_folds(diffs, cut, to)) {
        Diff both = left;
        RC_ASSERT(fold(both, right).ok());
        all.push_back(both);
      }
    }
  }
  return all;
}

TEST(LiveDocument, EveryOperationGivesTheDocumentOfTheReference) {
  check_property(25000, [] {
    const Object initial = *generate::colliding_object(generate::any_number());
    const auto operations = *generate::colliding_operations(generate::any_number(), 16);
    const bool fast = *rc::gen::arbitrary<bool>();
    LiveDocument live = live_from(initial);
    Object expected = initial;
    for (const Operation& op : operations) {
      std::vector<Outcome> outcomes;
      const Diff before = live.pending_diff(1, 0);
      const Status refused = reference::apply_operations(expected, {op}, outcomes);
      if (fast && refused.ok() && apply_fast(live, op, kNoLimit) >= 0) {
        RC_ASSERT(outcomes[0].kind == OutcomeKind::kApplied);
      } else {
        const Answer got = apply_to(live, op);
        RC_ASSERT(got.status.code == refused.code);
        RC_ASSERT(!refused.ok() || got.outcome.kind == outcomes[0].kind);
        RC_ASSERT(!refused.ok() || got.outcome.reason == outcomes[0].reason);
        if (!refused.ok() || got.outcome.kind != OutcomeKind::kApplied) {
          RC_ASSERT(live.pending_diff(1, 0) == before);
          RC_ASSERT(got.entry == -1);
        } else {
          RC_ASSERT(!live.pending().empty());
        }
      }
      RC_ASSERT(Value(live.document().to_object()) == Value(expected));
      RC_ASSERT(live.document().to_json() == to_json(Value(expected)));
      require_consistent(live);
    }
    RC_ASSERT(live.document().exact_bytes() == live.document().to_json().size());
  });
}

TEST(LiveDocument, PendingDiffOnTheBaseGivesTheDocument) {
  check_property(15000, [] {
    const Object initial = *generate::colliding_object(generate::any_number());
    LiveDocument live = live_from(initial);
    for (const Operation& op : *generate::colliding_operations(generate::any_number(), 16)) {
      apply_to(live, op);
    }
    const Diff diff = live.pending_diff(1, 0);
    std::string of_the_copy;
    std::string straight;
    append_diff(of_the_copy, diff);
    live.append_pending(straight, 1, 0);
    RC_ASSERT(straight == of_the_copy);
    Document document = Document::from_object(initial);
    RC_ASSERT(apply(diff, document).ok());
    RC_ASSERT(document == live.document());
    const Result<Diff> decoded = decode_diff(encoded(diff));
    RC_ASSERT(decoded.ok());
    RC_ASSERT(*decoded == diff);
    RC_ASSERT(encoded(*decoded) == encoded(diff));
  });
}

void split_and_fold(const rc::Gen<Value>& numbers, bool compare_encodings) {
  const Object initial = *generate::colliding_object(numbers);
  const auto operations = *generate::colliding_operations(numbers, 16);
  const auto cuts = *rc::gen::container<std::vector<int>>(operations.size(), rc::gen::inRange(0, 5));
  LiveDocument whole = live_from(initial);
  LiveDocument cut = live_from(initial);
  std::vector<Diff> diffs;
  uint64_t sequence = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    apply_to(whole, operations[i]);
    apply_to(cut, operations[i]);
    ++sequence;
    if (diffs.size() < 4 && cuts[i] == 0) {
      diffs.push_back(cut.pending_diff(sequence, static_cast<int64_t>(sequence)));
      cut.clear_pending(sequence);
      require_consistent(cut);
    }
  }
  ++sequence;
  diffs.push_back(cut.pending_diff(sequence, 5));
  const Diff direct = whole.pending_diff(sequence, 5);

  Document one_by_one = Document::from_object(initial);
  for (const Diff& diff : diffs) {
    RC_ASSERT(apply(diff, one_by_one).ok());
  }
  RC_ASSERT(one_by_one == whole.document());
  for (const Diff& folded : all_folds(diffs, 0, diffs.size())) {
    Document document = Document::from_object(initial);
    RC_ASSERT(apply(folded, document).ok());
    RC_ASSERT(document == whole.document());
    if (compare_encodings) {
      RC_ASSERT(folded == direct);
      RC_ASSERT(encoded(folded) == encoded(direct));
    }
  }
}

TEST(LiveDocument, DiffsOfAnySplitFoldToTheSameBytesInAnyOrder) {
  check_property(20000, [] { split_and_fold(generate::exact_number(), true); });
}

TEST(LiveDocument, DiffsOfAnySplitFoldToTheSameDocumentWithAnyNumbers) {
  check_property(10000, [] { split_and_fold(generate::any_number(), false); });
}

TEST(LiveDocument, UndoRestoresDocumentAndPendingDiff) {
  check_property(20000, [] {
    LiveDocument live = live_from(*generate::colliding_object(generate::any_number()));
    const size_t limit = *rc::gen::element<size_t>(size_t{kNoLimit}, size_t{60}, size_t{120});
    for (const Operation& op : *generate::colliding_operations(generate::any_number(), 12)) {
      const Document document = live.document();
      const Diff diff = live.pending_diff(1, 0);
      std::string of_the_copy;
      std::string straight;
      append_diff(of_the_copy, diff);
      live.append_pending(straight, 1, 0);
      RC_ASSERT(straight == of_the_copy);
      const bool replace = live.pending().replace;
      const size_t bytes = live.document().exact_bytes();
      const std::string text = live.document().to_json();
      Answer a;
      a.status = live.apply_undoable(op, limit, a.outcome, a.detail, a.entry);
      const Document after = live.document();
      const Diff diff_after = live.pending_diff(1, 0);
      require_consistent(live);
      live.undo();
      require_consistent(live);
      RC_ASSERT(live.document() == document);
      RC_ASSERT(live.pending_diff(1, 0) == diff);
      RC_ASSERT(live.pending().replace == replace);
      RC_ASSERT(live.document().exact_bytes() == bytes);
      RC_ASSERT(live.document().to_json() == text);
      live.undo();  // nothing is left to take back
      RC_ASSERT(live.document() == document);
      apply_to(live, op, limit);
      RC_ASSERT(live.document() == after);
      RC_ASSERT(live.pending_diff(1, 0) == diff_after);
    }
  });
}

// Every allocation of every operation fails once.
TEST(LiveDocument, MemoryThatRunsOutLeavesDocumentAndPendingDiff) {
  int failures = 0;
  check_property(2000, [&failures] {
    Object initial = *generate::colliding_object(generate::any_number());
    const int more = *rc::gen::element(0, 12, 47);  // few keys; about to be indexed; an index about to grow
    for (int i = 0; i < more; ++i) {
      initial.push_back({"more " + std::to_string(i), Value(int64_t{i})});
    }
    LiveDocument live = live_from(initial);
    for (const Operation& op : *generate::colliding_operations(generate::any_number(), 12)) {
      const Document document = live.document();
      const Diff diff = live.pending_diff(1, 0);
      std::string of_the_copy;
      std::string straight;
      append_diff(of_the_copy, diff);
      live.append_pending(straight, 1, 0);
      RC_ASSERT(straight == of_the_copy);
      const std::string text = live.document().to_json();
      for (int64_t succeed = 0;; ++succeed) {
        Answer a;
        tests::fail_allocation_after(succeed);
        try {
          a.status = live.apply_undoable(op, kNoLimit, a.outcome, a.detail, a.entry);
          tests::fail_allocation_after(-1);
          break;
        } catch (const std::bad_alloc&) {
        }
        ++failures;
        require_consistent(live);
        RC_ASSERT(live.document() == document);
        RC_ASSERT(live.document().to_json() == text);
        RC_ASSERT(live.pending_diff(1, 0) == diff);
      }
      require_consistent(live);
    }
  });
  std::printf("property: %d allocations of operations failed, each left all as it was\n", failures);
  EXPECT_GT(failures, 1000);
}

TEST(LiveDocument, MemoryThatRunsOutInARemoveLeavesTheArray) {
  const Value item(Array{true, int64_t{0}});
  const Operation remove{OperationType::kRemove, "b", item};
  for (int64_t succeed = 0;; ++succeed) {
    LiveDocument live = live_from({{"b", Value(Array{item, int64_t{1}, item})}});
    Answer a;
    tests::fail_allocation_after(succeed);
    try {
      a.status = live.apply_undoable(remove, kNoLimit, a.outcome, a.detail, a.entry);
      tests::fail_allocation_after(-1);
      ASSERT_EQ(live.document().to_json(), R"({"b":[1]})");
      ASSERT_GT(succeed, 1);
      break;
    } catch (const std::bad_alloc&) {
    }
    ASSERT_EQ(live.document().to_json(), R"({"b":[[true,0],1,[true,0]]})") << "allocation " << succeed;
    ASSERT_EQ(live.document().bytes_bound(), live.document().to_json().size());
  }
}

TEST(LiveDocument, RefusesExactlyWhatWouldExceedTheLimit) {
  check_property(20000, [] {
    const Object initial = *generate::colliding_object(generate::any_number());
    LiveDocument live = live_from(initial);
    size_t limit = live.document().exact_bytes() + static_cast<size_t>(*rc::gen::inRange(0, 40));
    const bool fast = *rc::gen::arbitrary<bool>();
    for (const Operation& op : *generate::colliding_operations(generate::any_number(), 14)) {
      const Document before = live.document();
      const Diff diff = live.pending_diff(1, 0);
      std::string of_the_copy;
      std::string straight;
      append_diff(of_the_copy, diff);
      live.append_pending(straight, 1, 0);
      RC_ASSERT(straight == of_the_copy);
      Object expected = live.document().to_object();
      std::vector<Outcome> outcomes;
      RC_ASSERT(reference::apply_operations(expected, {op}, outcomes).ok());
      const size_t needed = to_json(Value(expected)).size();
      if (fast && apply_fast(live, op, limit) >= 0) {
        RC_ASSERT(needed <= limit);
        RC_ASSERT(Value(live.document().to_object()) == Value(expected));
      } else {
        const Answer got = apply_to(live, op, limit);
        RC_ASSERT(got.status.ok() || got.status.code == Code::kTooLarge);
        RC_ASSERT(got.status.ok() == (needed <= limit));
        if (got.status.ok()) {
          RC_ASSERT(Value(live.document().to_object()) == Value(expected));
        } else {
          RC_ASSERT(got.detail.needed == needed || got.detail.needed == 0);
          RC_ASSERT(got.detail.limit == limit);
          RC_ASSERT(live.document() == before);
          RC_ASSERT(live.pending_diff(1, 0) == diff);
        }
      }
      RC_ASSERT(live.document().bytes_bound() >= live.document().to_json().size());
      if (*rc::gen::inRange(0, 4) == 0) {
        RC_ASSERT(live.document().exact_bytes() == live.document().to_json().size());
        RC_ASSERT(live.document().bytes_bound() == live.document().to_json().size());
      }
    }
  });
}

}  // namespace
}  // namespace cairn::engine
