#include "engine/document/apply.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "engine/json/json.h"
#include "tests/support/generate.h"
#include "tests/support/json_literal.h"
#include "tests/support/property.h"
#include "tests/support/reference.h"

namespace cairn::engine {
namespace {

Result<Outcome> apply_to(std::optional<Value>& slot, const Operation& op, int levels = 1) {
  Result<Edit> edit = plan_edit(slot ? &*slot : nullptr, op, levels);
  if (!edit.ok()) {
    return edit.status();
  }
  const Outcome outcome = edit->outcome;
  if (edit->kind == EditKind::kErase) {
    slot.reset();
  } else if (edit->kind != EditKind::kNone) {
    if (!slot) {
      slot.emplace();
    }
    carry_out(std::move(edit).value(), op.value, *slot);
  }
  return outcome;
}

/// The value after the operation, "absent", or how the operation did not apply. Existing "" is absent.
std::string after(std::string_view existing, OperationType type, const Value& argument) {
  std::optional<Value> slot;
  if (!existing.empty()) {
    slot = json(existing);
  }
  const Result<Outcome> outcome = apply_to(slot, {type, "k", argument});
  EXPECT_TRUE(outcome.ok());
  const std::string result = slot ? to_json(*slot) : "absent";
  switch (outcome->kind) {
    case OutcomeKind::kApplied:
      return result;
    case OutcomeKind::kUnchanged:
      return "unchanged " + result;
    case OutcomeKind::kUnapplied:
      return reason_text(outcome->reason);
  }
  return "?";
}

constexpr const char* kExisting[] = {"", "null", "7", "\"x\"", "true", R"({"k":1})", "[1,2]"};

TEST(Apply, SetTakesThePlaceOfAnything) {
  for (const char* existing : kExisting) {
    EXPECT_EQ(after(existing, OperationType::kSet, json(R"({"z":3})")), R"({"z":3})");
  }
}

TEST(Apply, DeleteTakesAnythingAwayAndAbsentIsUnchanged) {
  EXPECT_EQ(after("", OperationType::kDelete, {}), "unchanged absent");
  for (const char* existing : {"null", "7", "\"x\"", "[]"}) {
    EXPECT_EQ(after(existing, OperationType::kDelete, {}), "absent");
  }
}

TEST(Apply, AppendPushesOrWraps) {
  EXPECT_EQ(after("", OperationType::kAppend, "v"), R"(["v"])");
  EXPECT_EQ(after("null", OperationType::kAppend, "v"), R"([null,"v"])");
  EXPECT_EQ(after("7", OperationType::kAppend, "v"), R"([7,"v"])");
  EXPECT_EQ(after(R"({"k":1})", OperationType::kAppend, "v"), R"([{"k":1},"v"])");
  EXPECT_EQ(after("[]", OperationType::kAppend, "v"), R"(["v"])");
  EXPECT_EQ(after("[1,2]", OperationType::kAppend, json("[3]")), "[1,2,[3]]");
}

TEST(Apply, RemoveDropsAllEqualItems) {
  EXPECT_EQ(after("[1,2,1.0,\"1\",[1],1]", OperationType::kRemove, 1), R"([2,"1",[1]])");
  EXPECT_EQ(after("[1]", OperationType::kRemove, 1), "[]");
  EXPECT_EQ(after("[1]", OperationType::kRemove, 2), "unchanged [1]");
  EXPECT_EQ(after("", OperationType::kRemove, 1), "no such key");
  for (const char* existing : {"null", "7", "\"x\"", R"({"k":1})"}) {
    EXPECT_EQ(after(existing, OperationType::kRemove, 1), "the value is not an array");
  }
}

TEST(Apply, IncrementAddsToNumbersAndDiscardsTheRest) {
  EXPECT_EQ(after("7", OperationType::kIncrement, 3), "10");
  EXPECT_EQ(after("7", OperationType::kIncrement, 0.5), "7.5");
  for (const char* existing : {"", "null", "\"x\"", "true", R"({"k":1})", "[1,2]"}) {
    EXPECT_EQ(after(existing, OperationType::kIncrement, 3), "3");
  }
  EXPECT_EQ(after("1.7976931348623157e308", OperationType::kIncrement, 1.7976931348623157e308),
            "the result would not be finite");
}

TEST(Apply, IncrementByWhatIsNoFiniteNumberIsAnError) {
  std::optional<Value> slot;
  EXPECT_EQ(apply_to(slot, {OperationType::kIncrement, "k", "1"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(apply_to(slot, {OperationType::kIncrement, "k", std::nan("")}).code(), Code::kNotFinite);
  EXPECT_EQ(apply_to(slot, {OperationType::kIncrement, "k", -std::numeric_limits<double>::infinity()}).code(),
            Code::kNotFinite);
  EXPECT_EQ(apply_to(slot, {OperationType::kReplace, "", Object{}}).code(), Code::kInvalidArgument);
  EXPECT_FALSE(slot.has_value());
}

Value nested(int levels) {
  Value v = Array{};
  for (int i = 1; i < levels; ++i) {
    v = Array{std::move(v)};
  }
  return v;
}

TEST(Apply, ADocumentStaysWithinItsLevels) {
  const auto code = [](std::optional<Value> slot, OperationType type, const Value& argument) {
    return apply_to(slot, {type, "k", argument}).code();
  };
  EXPECT_EQ(code({}, OperationType::kSet, nested(kDepthMax - 1)), Code::kOk);
  EXPECT_EQ(code({}, OperationType::kSet, nested(kDepthMax)), Code::kTooDeep);
  EXPECT_EQ(code({}, OperationType::kAppend, nested(kDepthMax - 2)), Code::kOk);
  EXPECT_EQ(code({}, OperationType::kAppend, nested(kDepthMax - 1)), Code::kTooDeep);
  EXPECT_EQ(code(nested(kDepthMax - 1), OperationType::kAppend, 1), Code::kOk);
  EXPECT_EQ(code(Object{{"a", nested(61)}}, OperationType::kAppend, 1), Code::kOk);
  EXPECT_EQ(code(Object{{"a", nested(kDepthMax - 2)}}, OperationType::kAppend, 1), Code::kTooDeep);
}

TEST(Apply, AppendToAnArrayKeepsItsItemsInPlace) {
  Array items{"a string that is too long to live inside its object", 2};
  items.reserve(8);
  std::optional<Value> slot = Value(std::move(items));
  const Value* before = slot->get<Array>()->data();
  ASSERT_TRUE(apply_to(slot, {OperationType::kAppend, "k", 3}).ok());
  EXPECT_EQ(slot->get<Array>()->data(), before);
  EXPECT_EQ(slot->get<Array>()->size(), 3U);
}

TEST(Apply, EveryOperationDoesWhatTheReferenceDoes) {
  check_property(1000, [] {
    std::optional<Value> slot;
    if (*rc::gen::inRange(0, 5) > 0) {
      slot = *generate::any_value();
    }
    const Operation op = *generate::any_operation(rc::gen::just<std::string>("k"), false);
    std::optional<Value> expected = slot;
    const Outcome expected_outcome = reference::change(expected, op);

    const Result<Edit> edit = plan_edit(slot ? &*slot : nullptr, op, 1);
    RC_ASSERT(edit.ok());
    const size_t bytes = edited_bytes(*edit, op, slot ? &*slot : nullptr, slot ? json_bytes(*slot) : 0);
    const Result<Outcome> outcome = apply_to(slot, op);
    RC_ASSERT(outcome->kind == expected_outcome.kind);
    RC_ASSERT(outcome->reason == expected_outcome.reason);
    RC_ASSERT(slot == expected);
    RC_ASSERT(bytes == (slot ? json_bytes(*slot) : 0U));
  });
}

}  // namespace
}  // namespace cairn::engine
