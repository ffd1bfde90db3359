#include "engine/diff/live_document.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "engine/diff/fold.h"
#include "tests/support/allocations.h"
#include "tests/support/json_literal.h"
#include "tests/support/reference.h"

namespace cairn::engine {
namespace {

class Live : public ::testing::Test {
 protected:
  void start(std::string_view text) { live.reset(Document::from_object(*json(text).get<Object>()), 0); }

  /// Applies, and says the code and outcome if they are not plain success.
  std::string apply(std::string_view op) {
    Outcome outcome;
    const Status status = live.apply(operations(op).front(), limit, outcome, detail, entry);
    if (!status.ok()) {
      return "error " + std::to_string(static_cast<int>(status.code));
    }
    if (outcome.kind == OutcomeKind::kApplied) {
      return "";
    }
    return outcome.kind == OutcomeKind::kUnchanged ? "unchanged" : reason_text(outcome.reason);
  }

  std::string document() const { return live.document().to_json(); }

  /// The pending entries in order: "key:kind" with "!" for fresh.
  std::string pending() const {
    static constexpr const char* kNames[] = {"set", "delete", "inc", "list", "inclist", "ops"};
    std::string text = live.pending().replace ? "replace" : "";
    for (const PendingEntry& e : live.pending().entries) {
      text += (text.empty() ? "" : " ") + std::string(live.key_of(e)) + ":" + kNames[static_cast<size_t>(e.form.kind)] +
              (e.form.fresh ? "!" : "");
    }
    return text;
  }

  int find(std::string_view key) const { return live.document().find(key); }

  LiveDocument live;
  size_t limit = 4096;
  SizeDetail detail;
  int entry = 0;
};

TEST_F(Live, OperationsFoldIntoOneEntryPerKey) {
  start(R"({"a":1,"l":[1]})");
  EXPECT_EQ(apply(R"({"type":"increment","key":"a","value":2})"), "");
  EXPECT_EQ(entry, 0);
  EXPECT_EQ(apply(R"({"type":"append","key":"l","value":2})"), "");
  EXPECT_EQ(entry, 1);
  EXPECT_EQ(apply(R"({"type":"increment","key":"a","value":2})"), "");
  EXPECT_EQ(entry, 0);
  EXPECT_EQ(apply(R"({"type":"set","key":"new","value":true})"), "");
  EXPECT_EQ(entry, 2);
  EXPECT_EQ(document(), R"({"a":5,"l":[1,2],"new":true})");
  EXPECT_EQ(pending(), "a:inc l:list new:set");
}

TEST_F(Live, WhatChangesNothingLeavesNoTrace) {
  start(R"({"a":1,"l":[1]})");
  EXPECT_EQ(apply(R"({"type":"delete","key":"nothing"})"), "unchanged");
  EXPECT_EQ(apply(R"({"type":"remove","key":"l","value":2})"), "unchanged");
  EXPECT_EQ(apply(R"({"type":"remove","key":"a","value":2})"), "the value is not an array");
  EXPECT_EQ(apply(R"({"type":"remove","key":"nothing","value":2})"), "no such key");
  EXPECT_EQ(apply(R"({"type":"set","key":"$.x.y","value":2})"), "no such parent");
  EXPECT_EQ(apply(R"({"type":"set","key":"$.","value":2})"), "the path is empty");
  EXPECT_EQ(apply(R"({"type":"set","key":"$.[0:1]","value":2})"), "the path matches nothing");
  EXPECT_EQ(entry, -1);
  EXPECT_TRUE(live.pending().empty());
}

TEST_F(Live, DeletedKeyMadeAgainGoesToTheEndOfDocumentAndDiff) {
  start(R"({"a":1,"b":2,"c":3})");
  apply(R"({"type":"delete","key":"a"})");
  EXPECT_EQ(entry, 0);
  apply(R"({"type":"set","key":"b","value":9})");
  const uint32_t layout = live.pending().layout;
  apply(R"({"type":"increment","key":"a","value":1})");
  EXPECT_EQ(entry, -1);
  EXPECT_NE(live.pending().layout, layout);
  EXPECT_EQ(document(), R"({"b":9,"c":3,"a":1})");
  EXPECT_EQ(pending(), "b:set a:set!");
  apply(R"({"type":"delete","key":"a"})");
  EXPECT_EQ(entry, 1) << "its entry was the last one, so nothing moved";
  EXPECT_EQ(pending(), "b:set a:delete");
}

TEST_F(Live, PathsAreASetOfTheTopLevelValue) {
  start(R"({"a":{"n":1},"l":[1,2]})");
  EXPECT_EQ(apply(R"({"type":"increment","key":"$.a.n","value":1})"), "");
  EXPECT_EQ(entry, 0);
  EXPECT_EQ(apply(R"({"type":"set","key":"$.l.3","value":9})"), "");
  EXPECT_EQ(document(), R"({"a":{"n":2},"l":[1,2,null,9]})");
  EXPECT_EQ(pending(), "a:set l:set");
}

TEST_F(Live, PathOfOneNameActsOnThatKey) {
  start(R"({"a":1})");
  EXPECT_EQ(apply(R"({"type":"increment","key":"$.a","value":1})"), "");
  EXPECT_EQ(apply(R"({"type":"set","key":"$.x\\.y","value":1})"), "");
  EXPECT_EQ(apply(R"({"type":"delete","key":"$.nothing"})"), "unchanged");
  EXPECT_EQ(document(), R"({"a":2,"x.y":1})");
  EXPECT_EQ(pending(), "a:inc x.y:set");
}

TEST_F(Live, StarAtTheTopChangesSeveralKeys) {
  start(R"({"a":{"x":1},"b":{"x":1},"c":5})");
  EXPECT_EQ(apply(R"({"type":"set","key":"$.*.x","value":1})"), "");
  EXPECT_EQ(entry, -1);
  EXPECT_EQ(pending(), "a:set b:set") << "also where the value is as before: the intent counts for other writers";
  EXPECT_EQ(apply(R"({"type":"delete","key":"$.*"})"), "");
  EXPECT_EQ(document(), "{}");
  EXPECT_EQ(pending(), "a:delete b:delete c:delete");
}

TEST_F(Live, ReplaceHoldsOneSetPerMemberAndLaterOperationsActInsideIt) {
  start(R"({"z":1})");
  apply(R"({"type":"set","key":"z","value":2})");
  EXPECT_EQ(apply(R"({"type":"update","value":{"a":1,"b":[1],"c":3}})"), "");
  EXPECT_EQ(entry, -1);
  EXPECT_EQ(pending(), "replace a:set b:set c:set");
  apply(R"({"type":"increment","key":"a","value":1})");
  EXPECT_EQ(entry, 0);
  apply(R"({"type":"delete","key":"a"})");
  EXPECT_EQ(entry, -1);
  apply(R"({"type":"append","key":"b","value":2})");
  EXPECT_EQ(entry, 0);
  apply(R"({"type":"increment","key":"a","value":7})");
  EXPECT_EQ(pending(), "replace b:set c:set a:set");
  EXPECT_EQ(document(), R"({"b":[1,2],"c":3,"a":7})");
  apply(R"({"type":"update","value":{}})");
  EXPECT_EQ(pending(), "replace");
  EXPECT_FALSE(live.pending().empty());
  live.clear_pending(4);
  EXPECT_TRUE(live.pending().empty());
  EXPECT_EQ(live.pending().base, 4U);
}

TEST_F(Live, TopLevelIsAnObject) {
  Outcome outcome;
  start(R"({"z":1})");
  for (const char* text : {"[1]", "1", "null", "\"x\""}) {
    const Operation op{OperationType::kReplace, "", json(text)};
    EXPECT_EQ(live.apply(op, limit, outcome, detail, entry).code, Code::kTypeMismatch);
  }
  EXPECT_EQ(document(), R"({"z":1})");
}

TEST_F(Live, EqualToTheLimitPassesAndMoreSaysHowMuchIsNeeded) {
  start(R"({"a":1})");
  limit = 9;
  EXPECT_EQ(apply(R"({"type":"set","key":"a","value":123})"), "");
  EXPECT_EQ(apply(R"({"type":"set","key":"a","value":1234})"), "error 18");
  EXPECT_EQ(detail.needed, 10U);
  EXPECT_EQ(detail.limit, 9U);
  EXPECT_EQ(apply(R"({"type":"set","key":"b","value":1})"), "error 18");
  EXPECT_EQ(detail.needed, 15U);
  EXPECT_EQ(apply(R"({"type":"update","value":{"a":12345}})"), "error 18");
  EXPECT_EQ(detail.needed, 11U);
  EXPECT_EQ(apply(R"({"type":"set","key":"$.*","value":12345})"), "error 18");
  EXPECT_EQ(document(), R"({"a":123})");
}

TEST_F(Live, FarIndexIsRefusedBeforeItIsAllocated) {
  start(R"({"a":[]})");
  EXPECT_EQ(apply(R"({"type":"set","key":"$.a.2000000000","value":1})"), "error 18");
  EXPECT_EQ(document(), R"({"a":[]})");
}

TEST_F(Live, DocumentBeyondALoweredLimitCanShrink) {
  start(R"({"a":"long long long text","b":[1,2],"c":{"d":1,"e":[1]}})");
  limit = 10;
  EXPECT_EQ(apply(R"({"type":"set","key":"a","value":"shorter"})"), "error 18");
  EXPECT_EQ(apply(R"({"type":"delete","key":"a"})"), "");
  EXPECT_EQ(apply(R"({"type":"remove","key":"b","value":1})"), "");
  EXPECT_EQ(apply(R"({"type":"delete","key":"$.c.d"})"), "");
  EXPECT_EQ(apply(R"({"type":"delete","key":"$.*.e"})"), "");
  EXPECT_EQ(document(), R"({"b":[2],"c":{}})");
}

TEST_F(Live, RemoveThatGrowsTheDocumentIsHeldToTheLimit) {
  start(R"({"a":["a long text that stays","x"],"b":["x"]})");
  limit = document().size() + 5;
  EXPECT_EQ(apply(R"({"type":"remove","key":"$.*","value":"x"})"), "error 18");
  EXPECT_TRUE(live.pending().empty());
  start(R"({"m":{"a":["a long text that stays","x"],"b":["x"]}})");
  limit = document().size() + 5;
  EXPECT_EQ(apply(R"({"type":"remove","key":"$.m.*","value":"x"})"), "error 18");
  EXPECT_TRUE(live.pending().empty());
}

TEST_F(Live, DeeperThanTheLimitIsRefused) {
  start("{}");
  const auto operation = [](const std::string& start, int levels) {
    const auto count = static_cast<size_t>(levels);
    return start + std::string(count, '[') + std::string(count, ']') + "}";
  };
  EXPECT_EQ(apply(operation(R"({"type":"set","key":"a","value":)", kDepthMax - 1)), "");
  EXPECT_EQ(apply(operation(R"({"type":"append","key":"a","value":)", kDepthMax - 2)), "");
  EXPECT_EQ(apply(operation(R"({"type":"append","key":"a","value":)", kDepthMax - 1)), "error 22");
  EXPECT_EQ(apply(operation(R"({"type":"set","key":"b","value":)", kDepthMax)), "error 22");
  std::string bytes;
  append_diff(bytes, live.pending_diff(1, 0));
  EXPECT_TRUE(decode_diff(bytes).ok()) << "the deepest document can be read again";
}

TEST_F(Live, ResetAndReplaceMoveTheLayoutOn) {
  start(R"({"a":1})");
  const uint32_t first = live.document().layout();
  apply(R"({"type":"update","value":{"b":1}})");
  const uint32_t second = live.document().layout();
  EXPECT_NE(first, second);
  start(R"({"c":1})");
  EXPECT_NE(second, live.document().layout());
  EXPECT_NE(first, live.document().layout());
}

TEST_F(Live, CopyIsIndependent) {
  start(R"({"a":1,"b":2})");
  apply(R"({"type":"increment","key":"a","value":1})");
  LiveDocument copy(live);
  copy.set_int(0, 50, limit);
  Outcome outcome;
  EXPECT_TRUE(copy.apply(operations(R"({"type":"delete","key":"b"})").front(), limit, outcome, detail, entry).ok());
  EXPECT_EQ(document(), R"({"a":2,"b":2})");
  EXPECT_EQ(pending(), "a:inc");
  live = copy;
  EXPECT_EQ(document(), R"({"a":50})");
  EXPECT_EQ(pending(), "a:set b:delete");
}

TEST_F(Live, HotCallsFoldAsTheOperationsDo) {
  start(R"({"d":1.5,"i":1,"s":"x","b":false,"l":[1],"n":null})");
  EXPECT_EQ(live.set_double(find("d"), 2.5, limit), 0);
  EXPECT_EQ(live.increment(find("i"), Value(2), limit), 1);
  EXPECT_EQ(live.increment(find("i"), Value(3), limit), 1);
  EXPECT_EQ(live.set_string(find("s"), "yy", json_string_bytes("yy"), limit), 2);
  EXPECT_EQ(live.set_bool(find("b"), true, limit), 3);
  EXPECT_EQ(live.increment(find("d"), Value(1), limit), 0);
  EXPECT_EQ(live.set_double(find("n"), 0.25, limit), 4);
  EXPECT_EQ(live.set_int(find("l"), 1, limit), -1) << "an array: call apply";
  EXPECT_EQ(live.increment(find("s"), Value(1), limit), -1) << "no number: call apply";
  EXPECT_EQ(document(), R"({"d":3.5,"i":6,"s":"yy","b":true,"l":[1],"n":0.25})");
  EXPECT_EQ(pending(), "d:set i:inc s:set b:set n:set");
  EXPECT_EQ(to_json(live.pending().entries[1].form.delta), "5");
  EXPECT_EQ(live.set_int(find("i"), 1, limit), 1);
  EXPECT_EQ(pending(), "d:set i:set s:set b:set n:set");
  EXPECT_EQ(live.document().exact_bytes(), document().size());
}

TEST_F(Live, HotCallsDeclineWhatDoesNotFit) {
  start(R"({"d":1,"s":"x"})");
  limit = document().size();
  EXPECT_EQ(live.set_double(0, 0.5, limit), -1);
  EXPECT_EQ(live.set_int(0, 10, limit), -1);
  EXPECT_EQ(live.increment(0, Value(9), limit), -1);
  EXPECT_EQ(live.set_bool(0, true, limit), -1);
  EXPECT_EQ(live.set_string(1, "\n", json_string_bytes("\n"), limit), -1);
  EXPECT_TRUE(live.pending().empty());
  EXPECT_EQ(live.set_int(0, 9, limit), 0);
  EXPECT_EQ(live.set_string(1, "y", json_string_bytes("y"), limit), 1);
  EXPECT_EQ(live.increment(0, Value(-2), limit), 0);
  EXPECT_EQ(document(), R"({"d":7,"s":"y"})");
}

TEST_F(Live, IncrementLeavesTheIntegersWhenItMust) {
  start(R"({"a":9223372036854775807,"b":1e308,"c":18446744073709551615})");
  EXPECT_EQ(live.increment(find("b"), Value(1.7e308), limit), -1) << "not finite: apply says why";
  EXPECT_EQ(apply(R"({"type":"increment","key":"b","value":1.7e308})"), "the result would not be finite");
  EXPECT_EQ(apply(R"({"type":"increment","key":"a","value":1})"), "");
  EXPECT_EQ(apply(R"({"type":"increment","key":"c","value":1})"), "");
  EXPECT_EQ(document(), R"({"a":9223372036854775808,"b":1e+308,"c":18446744073709552000})");
}

TEST_F(Live, NumbersOfKnownKeysNeedNoMemoryAcrossFlushes) {
  start(R"({"progress":0.5,"count":1,"done":false,"status":"a string beyond the small buffer"})");
  const auto round = [this](int i) {
    live.set_double(0, i * 0.1, limit);
    live.increment(1, Value(1), limit);
    live.set_bool(2, i % 2 == 0, limit);
    live.set_string(3, "another string beyond it", json_string_bytes("another string beyond it"), limit);
    live.set_double(0, i * 0.3, limit);
    live.clear_pending(static_cast<uint64_t>(i));
  };
  round(0);
  const uint64_t before = tests::allocations();
  for (int i = 1; i < 1000; ++i) {
    round(i);
  }
  EXPECT_EQ(tests::allocations(), before);
}

TEST_F(Live, UndoOfAnAppendDoesNotCopyTheList) {
  std::string items = "0";
  for (int i = 1; i < 500; ++i) {
    items += ",";
    items += std::to_string(i);
  }
  start(R"({"l":[)" + items + "]}");
  limit = 1u << 20;
  const Operation append{OperationType::kAppend, "l", Value(7)};
  Outcome outcome;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(live.apply_undoable(append, limit, outcome, detail, entry).ok());
  }
  const uint64_t before = tests::allocations();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(live.apply_undoable(append, limit, outcome, detail, entry).ok());
    live.undo();
  }
  EXPECT_LE(tests::allocations() - before, 10U);
  EXPECT_EQ(live.document().member(0).value.get<Array>()->size(), 502U);
}

TEST(LiveVectors, ObservedBatchesGiveWhatTheReferenceGives) {
  std::ifstream in(CAIRN_TEST_DATA "/operations.json");
  size_t seen = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with(',')) {
      line.pop_back();
    }
    const Result<Value> vector = line.starts_with('{') ? parse_json(line) : Result<Value>(Code::kNotFound, "");
    if (!vector.ok()) {
      continue;  // brackets, and the text that is refused
    }
    const Object& fields = *vector->get<Object>();
    const Result<std::vector<Operation>> ops = operations_of(*find_property(fields, "operations"));
    if (!ops.ok()) {
      continue;
    }
    SCOPED_TRACE(*find_property(fields, "name")->get<std::string>());
    ++seen;
    Object expected = *find_property(fields, "initial")->get<Object>();
    const Object initial = expected;
    std::vector<Outcome> outcomes;
    ASSERT_TRUE(reference::apply_operations(expected, *ops, outcomes).ok());
    LiveDocument live;
    live.reset(Document::from_object(initial), 0);
    for (size_t i = 0; i < ops->size(); ++i) {
      Outcome outcome;
      SizeDetail detail;
      int entry = 0;
      ASSERT_TRUE(live.apply((*ops)[i], 4096, outcome, detail, entry).ok());
      EXPECT_EQ(outcome.kind, outcomes[i].kind);
      EXPECT_EQ(outcome.reason, outcomes[i].reason);
    }
    EXPECT_EQ(live.document().to_json(), to_json(Value(expected)));
    EXPECT_EQ(live.document().exact_bytes(), json_bytes(Value(expected)));
    Document from_diff = Document::from_object(initial);
    EXPECT_TRUE(apply(live.pending_diff(1, 0), from_diff).ok());
    EXPECT_TRUE(from_diff == live.document());
  }
  EXPECT_GE(seen, 75U);
}

}  // namespace
}  // namespace cairn::engine
