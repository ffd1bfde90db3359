#include "engine/diff/diff.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/diff/compose.h"
#include "engine/diff/fold.h"
#include "engine/diff/operation_list.h"
#include "engine/document/path.h"
#include "engine/json/msgpack.h"
#include "tests/support/json_literal.h"

namespace cairn::engine {
namespace {

std::string text_of(const Form& form) {
  static constexpr const char* kNames[] = {"set", "delete", "increment", "list", "increment list", "operations"};
  std::string text = kNames[static_cast<size_t>(form.kind)];
  text += form.fresh ? " fresh" : "";
  if (form.kind == FormKind::kIncrement || form.kind == FormKind::kIncrementList) {
    text += " " + to_json(form.delta);
  }
  if (form.kind == FormKind::kList || form.kind == FormKind::kIncrementList) {
    text += " -" + to_json(Value(form.lists->removed_before)) + " -" + to_json(Value(form.lists->removed_after)) +
            " +" + to_json(Value(form.lists->added)) + (form.lists->coerce ? " coerce" : "");
  }
  if (form.kind == FormKind::kOperations) {
    for (const Operation& op : form.lists->operations) {
      text += " ";
      append_operation_json(text, op);
    }
  }
  return text;
}

/// One key's form after the operations, which name no key.
std::string folded(const std::vector<std::string>& steps) {
  Form form;
  bool first = true;
  for (const std::string& step : steps) {
    const Operation op = operations(R"({"key":"k",)" + step + "}").front();
    if (first) {
      form = form_of(op);
    } else {
      fold_operation(form, op);
    }
    first = false;
  }
  return text_of(form);
}

const char* const kSet1 = R"("type":"set","value":1)";
const char* const kDelete = R"("type":"delete")";
const char* const kPlus2 = R"("type":"increment","value":2)";
const char* const kAppendA = R"("type":"append","value":"a")";
const char* const kAppendB = R"("type":"append","value":"b")";
const char* const kRemoveA = R"("type":"remove","value":"a")";

TEST(Form, OneOperationHasItsForm) {
  EXPECT_EQ(folded({kSet1}), "set");
  EXPECT_EQ(folded({kDelete}), "delete");
  EXPECT_EQ(folded({kPlus2}), "increment 2");
  EXPECT_EQ(folded({kAppendA}), R"(list -[] -[] +["a"] coerce)");
  EXPECT_EQ(folded({kRemoveA}), R"(list -["a"] -[] +[])");
}

TEST(Form, ConstantsStayConstants) {
  EXPECT_EQ(folded({kSet1, kSet1}), "set");
  EXPECT_EQ(folded({kSet1, kPlus2}), "set");
  EXPECT_EQ(folded({kSet1, kAppendA}), "set");
  EXPECT_EQ(folded({kSet1, kRemoveA}), "set");
  EXPECT_EQ(folded({kSet1, kDelete}), "delete");
  EXPECT_EQ(folded({kDelete, kDelete}), "delete");
  EXPECT_EQ(folded({kDelete, kRemoveA}), "delete");
}

TEST(Form, DeletedKeyMadeAgainIsFreshUntilItIsDeleted) {
  EXPECT_EQ(folded({kDelete, kSet1}), "set fresh");
  EXPECT_EQ(folded({kDelete, kPlus2}), "set fresh");
  EXPECT_EQ(folded({kDelete, kAppendA}), "set fresh");
  EXPECT_EQ(folded({kDelete, kSet1, kPlus2, kAppendA, kSet1}), "set fresh");
  EXPECT_EQ(folded({kDelete, kSet1, kDelete}), "delete");
}

TEST(Form, IncrementsAddUpAndTurnIntoLists) {
  EXPECT_EQ(folded({kPlus2, kPlus2}), "increment 4");
  EXPECT_EQ(folded({kPlus2, kSet1}), "set");
  EXPECT_EQ(folded({kPlus2, kRemoveA}), "increment 2");
  EXPECT_EQ(folded({kPlus2, kAppendA}), R"(increment list 2 -[] -[] +["a"] coerce)");
  EXPECT_EQ(folded({kPlus2, kAppendA, kAppendB, kRemoveA}), R"(increment list 2 -[] -["a"] +["b"] coerce)");
  EXPECT_EQ(folded({kPlus2, kAppendA, kPlus2}), "set");
}

TEST(Form, ListsKeepWhatWasRemovedBeforeAndAfterTheyBecameArrays) {
  EXPECT_EQ(folded({kRemoveA, kRemoveA}), R"(list -["a"] -[] +[])");
  EXPECT_EQ(folded({kRemoveA, kAppendA}), R"(list -["a"] -[] +["a"] coerce)");
  EXPECT_EQ(folded({kAppendA, kAppendB, kRemoveA}), R"(list -[] -["a"] +["b"] coerce)");
  EXPECT_EQ(folded({kAppendA, kRemoveA, kAppendA}), R"(list -[] -["a"] +["a"] coerce)");
  EXPECT_EQ(folded({kRemoveA, kPlus2}), "increment 2");
  EXPECT_EQ(folded({kAppendA, kPlus2}), "set");
}

TEST(Form, IncrementsWhoseSumIsNotFiniteBecomeTheResult) {
  const char* const huge = R"("type":"increment","value":1.7e308)";
  EXPECT_EQ(folded({huge, huge}), "set");
}

/// The diff of a run owned elsewhere after `text`, as lines.
std::string foreign(std::string_view text) {
  Diff diff;
  for (const Operation& op : operations(text)) {
    const Status status = fold_foreign(diff, op);
    if (!status.ok()) {
      return "refused " + std::to_string(static_cast<int>(status.code));
    }
  }
  std::string lines = diff.replace ? "replace;" : "";
  for (const DiffEntry& e : diff.entries) {
    lines += (lines.empty() ? "" : " ") + e.key + ": " + text_of(e.form) +
             (e.value ? " = " + to_json(*e.value) : std::string()) + ";";
  }
  return lines;
}

TEST(ForeignDiff, ConstantsAreEvaluated) {
  EXPECT_EQ(foreign(R"([{"type":"set","key":"a","value":1},{"type":"increment","key":"a","value":2},
                        {"type":"append","key":"a","value":"x"}])"),
            R"(a: set = [3,"x"];)");
  EXPECT_EQ(foreign(R"([{"type":"delete","key":"a"},{"type":"append","key":"a","value":"x"}])"),
            R"(a: set fresh = ["x"];)");
  EXPECT_EQ(foreign(R"([{"type":"set","key":"a","value":{"b":1}},{"type":"increment","key":"$.a.b","value":1}])"),
            R"(a: set = {"b":2};)");
  EXPECT_EQ(foreign(R"([{"type":"append","key":"a","value":1},{"type":"increment","key":"a","value":2}])"),
            "a: set = 2;");
}

TEST(ForeignDiff, WholeIncrementsAddUpWhileExact) {
  EXPECT_EQ(foreign(R"([{"type":"increment","key":"a","value":9223372036854775806},
                        {"type":"increment","key":"a","value":1}])"),
            "a: increment 9223372036854775807;");
  EXPECT_EQ(foreign(R"([{"type":"increment","key":"a","value":4.0},{"type":"increment","key":"a","value":3}])"),
            "a: increment 7;");
}

TEST(ForeignDiff, OtherIncrementsStayAnOrderedList) {
  EXPECT_EQ(foreign(R"([{"type":"increment","key":"a","value":0.5},{"type":"increment","key":"a","value":0.25}])"),
            R"(a: operations {"type":"increment","key":"a","value":0.5} {"type":"increment","key":"a","value":0.25};)");
  EXPECT_EQ(foreign(R"([{"type":"increment","key":"a","value":9007199254740991.0},
                        {"type":"increment","key":"a","value":1}])"),
            R"(a: operations {"type":"increment","key":"a","value":9007199254740991})"
            R"( {"type":"increment","key":"a","value":1};)");
}

TEST(ForeignDiff, SetAndDeleteEndAList) {
  const std::string list =
      R"({"type":"increment","key":"a","value":0.5},{"type":"increment","key":"$.a.b","value":1},)";
  EXPECT_EQ(foreign("[" + list + R"({"type":"set","key":"a","value":7}])"), "a: set = 7;");
  EXPECT_EQ(foreign("[" + list + R"({"type":"delete","key":"a"}])"), "a: delete;");
}

TEST(ForeignDiff, CountersOnPathsOfOneKeyAddUpAlthoughTheyTakeTurns) {
  std::string ops;
  for (int i = 0; i < 200; ++i) {
    ops += std::string(i > 0 ? "," : "") + R"({"type":"increment","key":"$.stats.)" + (i % 2 == 0 ? "done" : "failed") +
           R"(","value":1})";
  }
  EXPECT_EQ(foreign("[" + ops + "]"), R"(stats: operations {"type":"increment","key":"$.stats.done","value":100})"
                                      R"( {"type":"increment","key":"$.stats.failed","value":100};)");
}

TEST(ForeignDiff, PathsThatMeetEachOtherKeepTheirOrder) {
  EXPECT_EQ(foreign(R"([{"type":"set","key":"$.a.b","value":1},{"type":"set","key":"$.a.b.c","value":2},
                        {"type":"set","key":"$.a.b","value":3}])"),
            R"(a: operations {"type":"set","key":"$.a.b","value":1} {"type":"set","key":"$.a.b.c","value":2})"
            R"( {"type":"set","key":"$.a.b","value":3};)");
}

TEST(ForeignDiff, SixtyFifthOrderedOperationIsBacklogAndChangesNothing) {
  Diff diff;
  for (size_t i = 0; i < kOperationsMax; ++i) {
    ASSERT_TRUE(fold_foreign(diff, operations(R"({"type":"append","key":"$.a.b","value":1})").front()).ok());
  }
  const Diff before = diff;
  EXPECT_EQ(fold_foreign(diff, operations(R"({"type":"append","key":"$.a.b","value":1})").front()).code,
            Code::kBacklog);
  EXPECT_TRUE(diff == before);
  EXPECT_EQ(diff.last, kOperationsMax);
  EXPECT_TRUE(fold_foreign(diff, operations(R"({"type":"set","key":"a","value":1})").front()).ok());

  Diff first = before;
  Diff next = before;
  next.base = first.last;
  next.last = next.base + kOperationsMax;
  EXPECT_EQ(fold(first, next).code, Code::kBacklog);
  EXPECT_TRUE(first == before);
}

TEST(ForeignDiff, WhatWasAcceptedIsFoldedHoweverMuchItIs) {
  const auto mixed =
      operations(R"([{"type":"increment","key":"a","value":0.1},{"type":"append","key":"$.a.b","value":1}])");
  Diff all;
  Diff next;
  for (const Operation& op : mixed) {
    ASSERT_TRUE(fold_foreign(all, op).ok());
    ASSERT_TRUE(fold_foreign(next, op).ok());
  }
  ASSERT_EQ(all.entries.size(), 1u);
  std::vector<Operation>& list = all.entries[0].form.lists->operations;
  while (list.size() < kStoredOperationsMax) {
    list.push_back(mixed[list.size() % 2]);
  }
  for (int i = 0; i < 30; ++i) {
    next.base = all.last;
    next.last = next.base + 2;
    ASSERT_TRUE(fold(all, next, kStoredOperationsMax).ok());
  }
  EXPECT_EQ(all.entries[0].form.lists->operations.size(), kStoredOperationsMax + 60);
  std::string bytes;
  append_diff(bytes, all);
  const Result<Diff> read = decode_diff(bytes);
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(*read == all);
}

TEST(ForeignDiff, ManyPathsUnderOneKeyAreEachLookedAtOnce) {
  constexpr size_t kPaths = 1000;
  std::vector<Operation> list;
  OrderedOperations ordered(list);
  for (size_t i = 0; i < kPaths; ++i) {
    ordered.push(operations(R"({"type":"increment","key":"$.k.n)" + std::to_string(i) + R"(","value":1})").front());
  }
  EXPECT_EQ(list.size(), kPaths);
  EXPECT_LE(ordered.parsed(), 2 * kPaths);
}

TEST(ForeignDiff, RefusesPathsThatNameNoSingleKey) {
  const std::string refused = "refused " + std::to_string(static_cast<int>(Code::kInvalidArgument));
  EXPECT_EQ(foreign(R"({"type":"set","key":"$.*","value":1})"), refused);
  EXPECT_EQ(foreign(R"({"type":"set","key":"$.[0:1].a","value":1})"), refused);
  EXPECT_EQ(foreign(R"({"type":"set","key":"$.","value":1})"),
            "refused " + std::to_string(static_cast<int>(Code::kUnapplied)));
  Diff diff;
  EXPECT_EQ(fold_foreign(diff, Operation{OperationType::kSet, "__proto__", Value(1)}).code, Code::kKeyRefused);
  EXPECT_EQ(fold_foreign(diff, Operation{OperationType::kReplace, "", Value(1)}).code, Code::kTypeMismatch);
  EXPECT_TRUE(diff == Diff());
}

TEST(ForeignDiff, OperationsAfterAReplaceActOnIt) {
  EXPECT_EQ(foreign(R"([{"type":"increment","key":"z","value":1},{"type":"update","value":{"a":1,"b":2,"c":3}},
                        {"type":"delete","key":"b"},{"type":"increment","key":"a","value":1},
                        {"type":"append","key":"b","value":"new"},{"type":"remove","key":"nothing","value":1}])"),
            R"(replace; a: set = 2; c: set = 3; b: set = ["new"];)");
}

TEST(ForeignDiff, KeyThatLooksLikeAPathIsNamedByAPath) {
  EXPECT_EQ(wire_key("plain.name"), "plain.name");
  for (const std::string name : {"$.x", "$.", "$.a.b", "$.a\\.b", "$...\\"}) {
    const Result<std::vector<Segment>> segments = parse_path(wire_key(name));
    ASSERT_TRUE(segments.ok());
    ASSERT_EQ(segments->size(), 1U) << name;
    EXPECT_EQ(segments->front().name, name);
  }
  EXPECT_EQ(foreign(R"([{"type":"increment","key":"$.$\\.x","value":0.5},
                        {"type":"increment","key":"$.$\\.x","value":0.25}])"),
            R"($.x: operations {"type":"increment","key":"$.$\\.x","value":0.5})"
            R"( {"type":"increment","key":"$.$\\.x","value":0.25};)");
}

DiffEntry entry(std::string key, FormKind kind, std::optional<Value> value, bool fresh = false) {
  DiffEntry e{std::move(key), Form(kind), std::move(value)};
  e.form.fresh = fresh;
  return e;
}

TEST(Diff, FoldsOnlyWhatFollowsWithoutGap) {
  Diff into;
  into.last = 5;
  Diff next;
  next.base = 6;
  next.last = 7;
  EXPECT_EQ(fold(into, next).code, Code::kInternal);
  EXPECT_STREQ(fold(into, next).what, "gap");
  next.base = 4;
  EXPECT_EQ(fold(into, next).code, Code::kInternal);
  EXPECT_EQ(into.last, 5U);
  next.base = 5;
  next.updated_us = 9;
  EXPECT_TRUE(fold(into, next).ok());
  EXPECT_EQ(into.last, 7U);
  EXPECT_EQ(into.updated_us, 9);
}

TEST(Diff, ApplyPutsFreshKeysAtTheEndAndOthersInPlace) {
  Document d = Document::from_object(*json(R"({"a":1,"b":2,"c":3})").get<Object>());
  Diff diff;
  diff.entries = {entry("c", FormKind::kSet, Value("c")), entry("a", FormKind::kSet, Value("a"), true),
                  entry("b", FormKind::kDelete, {}), entry("gone", FormKind::kDelete, {}),
                  entry("new", FormKind::kSet, Value("new"))};
  EXPECT_TRUE(apply(diff, d).ok());
  EXPECT_EQ(d.to_json(), R"({"c":"c","a":"a","new":"new"})");
  EXPECT_EQ(d.exact_bytes(), d.to_json().size());
}

TEST(Diff, ApplyRefusesADiffOfARunOwnedElsewhereAndChangesNothing) {
  Document d = Document::from_object(*json(R"({"a":1})").get<Object>());
  Diff diff;
  diff.entries = {entry("a", FormKind::kSet, Value(2)), entry("b", FormKind::kIncrement, {})};
  EXPECT_EQ(apply(diff, d).code, Code::kCorrupt);
  EXPECT_EQ(d.to_json(), R"({"a":1})");
  diff.replace = true;
  diff.entries = {entry("a", FormKind::kDelete, {})};
  EXPECT_EQ(apply(diff, d).code, Code::kCorrupt);
  EXPECT_EQ(d.to_json(), R"({"a":1})");
}

TEST(Diff, FoldOfManyKeysFindsEachOfThem) {
  Diff into;
  into.last = 1;
  Diff next;
  next.base = 1;
  next.last = 2;
  for (int i = 0; i < 200; ++i) {
    into.entries.push_back(entry("key_" + std::to_string(i), i % 3 == 0 ? FormKind::kDelete : FormKind::kSet,
                                 i % 3 == 0 ? std::optional<Value>() : Value(i)));
  }
  for (int i = 0; i < 400; i += 2) {
    next.entries.push_back(entry("key_" + std::to_string(i), FormKind::kSet, Value(-i)));
  }
  ASSERT_TRUE(fold(into, next).ok());
  EXPECT_EQ(into.entries.size(), 300U);
  for (const DiffEntry& e : into.entries) {
    const int i = std::stoi(e.key.substr(4));
    EXPECT_EQ(e.form.fresh, i < 200 && i % 6 == 0) << e.key;
    EXPECT_EQ(e.form.kind == FormKind::kDelete, i % 6 == 3) << e.key;
  }
}

}  // namespace
}  // namespace cairn::engine
