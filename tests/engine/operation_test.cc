#include "engine/document/operation.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/json/json.h"
#include "tests/support/generate.h"
#include "tests/support/json_literal.h"
#include "tests/support/property.h"

namespace cairn::engine {
namespace {

/// The operations as they are written again, or "code N at I".
std::string parsed_operation(std::string_view text) {
  size_t failed = 99;
  const Result<std::vector<Operation>> ops = parse_operations(text, &failed);
  if (!ops.ok()) {
    return "code " + std::to_string(static_cast<int>(ops.code())) + " at " + std::to_string(failed);
  }
  std::string out;
  for (const Operation& op : *ops) {
    append_operation_json(out, op);
  }
  return out;
}

std::string invalid_at(int index) { return "code 16 at " + std::to_string(index); }

TEST(Operation, AllSixAreReadAndWritten) {
  for (const char* text :
       {R"({"type":"set","key":"a","value":null})", R"({"type":"delete","key":""})",
        R"({"type":"append","key":"$.a.b","value":[1]})", R"({"type":"remove","key":"l","value":null})",
        R"({"type":"increment","key":"n","value":-1.5})", R"({"type":"update","value":{"a":{}}})"}) {
    EXPECT_EQ(parsed_operation(std::string("[").append(text).append("]")), text);
  }
  EXPECT_EQ(parsed_operation("[]"), "");
}

TEST(Operation, OrderOfMembersAndOthersDoNotMatter) {
  EXPECT_EQ(parsed_operation(R"([{"value":1,"x":[{}],"key":"k","type":"set"}])"),
            R"({"type":"set","key":"k","value":1})");
  EXPECT_EQ(parsed_operation(R"([{"type":"delete","key":"k","value":7}])"), R"({"type":"delete","key":"k"})");
  EXPECT_EQ(parsed_operation(R"([{"type":"update","key":5,"value":{}}])"), R"({"type":"update","value":{}})");
}

TEST(Operation, WhatIsNoOperationIsRefusedWithItsPosition) {
  const std::string good = R"({"type":"set","key":"a","value":1})";
  for (const char* bad :
       {R"(1)", R"({})", R"({"type":"nope","key":"a","value":1})", R"({"type":"decrement","key":"a","value":1})",
        R"({"type":7,"key":"a","value":1})", R"({"type":"set","value":1})", R"({"type":"set","key":1,"value":1})",
        R"({"type":"set","key":"a"})", R"({"type":"append","key":"a"})", R"({"type":"remove","key":"a"})",
        R"({"type":"increment","key":"a"})", R"({"type":"increment","key":"a","value":null})",
        R"({"type":"increment","key":"a","value":"1"})", R"({"type":"update"})", R"({"type":"update","value":[1]})",
        R"({"type":"update","value":null})", R"({"type":"delete"})"}) {
    EXPECT_EQ(parsed_operation("[" + good + "," + bad + "]"), invalid_at(1)) << bad;
  }
  EXPECT_EQ(parsed_operation(R"({"type":"set"})"), "code 16 at 99");
}

TEST(Operation, ErrorsOfTextAndKeysPassThrough) {
  EXPECT_EQ(parsed_operation("[").substr(0, 7), "code 20");
  EXPECT_EQ(parsed_operation(R"([{"type":"set","key":"a","value":1e999}])").substr(0, 7), "code 23");
  EXPECT_EQ(parsed_operation(R"([{"type":"set","key":"\ud800","value":1}])").substr(0, 7), "code 19");
  EXPECT_EQ(parsed_operation(R"([{"type":"set","key":"__proto__","value":1}])"), "code 25 at 0");
  EXPECT_EQ(parsed_operation(R"([{"type":"set","key":"$.a.constructor","value":1}])"), "code 25 at 0");
}

TEST(Operation, ValuesMayHaveAllLevelsThatAnInputMayHave) {
  const auto set = [](size_t levels) {
    return std::string(R"([{"type":"set","key":"a","value":)").append(levels, '[').append(levels, ']').append("}]");
  };
  EXPECT_TRUE(parse_operations(set(kDepthMax)).ok());
  EXPECT_EQ(parse_operations(set(kDepthMax + 1)).code(), Code::kTooDeep);
  EXPECT_EQ(operations_of(json(set(kDepthMax - 2))).code(), Code::kOk);
}

TEST(Operation, LiteralKeysAreFreeButForProto) {
  for (const char* key : {"", "$", "$a", "a.b", "a[0]", "constructor", "prototype", "toString", "$.", "$..", "$.a",
                          "$.__proto", "$.constructors", "\xc3\xa9"}) {
    EXPECT_TRUE(check_key(key).ok()) << key;
  }
  EXPECT_EQ(check_key("__proto__").code, Code::kKeyRefused);
}

TEST(Operation, PathsThroughRefusedNamesAreRefused) {
  for (const char* key :
       {"$.__proto__", "$.constructor", "$.prototype", "$.a.__proto__.x", "$..constructor.", "$.a\\.b.prototype",
        "$.*.__proto__", "$.a[constructor]", "$.\"prototype\"", "$.a\\.__proto__"}) {
    EXPECT_EQ(check_key(key).code, Code::kKeyRefused) << key;
  }
}

TEST(Operation, KeysMustBeUtf8AndWithinTheLimit) {
  EXPECT_EQ(check_key("a\xff").code, Code::kInvalidUtf8);
  EXPECT_EQ(check_key("$.\xed\xa0\x80").code, Code::kInvalidUtf8);
  EXPECT_TRUE(check_key(std::string(4096, 'k')).ok());
  EXPECT_EQ(check_key(std::string(4097, 'k')).code, Code::kTooLarge);
}

TEST(Operation, EveryReasonHasAText) {
  for (int r = 1; r <= static_cast<int>(Reason::kOverflow); ++r) {
    EXPECT_STRNE(reason_text(static_cast<Reason>(r)), "");
  }
}

TEST(Operation, TextComesBackFromItsOwnParse) {
  check_property(1000, [] {
    const Operation op = *rc::gen::arbitrary<Operation>();
    std::string text;
    append_operation_json(text, op);
    RC_ASSERT(parsed_operation("[" + text + "]") == text);
  });
}

}  // namespace
}  // namespace cairn::engine
