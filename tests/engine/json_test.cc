#include "engine/json/json.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/generate.h"
#include "tests/support/json_literal.h"
#include "tests/support/property.h"

namespace cairn::engine {
namespace {

/// The value's text and its counted size, or "wrong size".
std::string text_of(const Value& v) { return json_bytes(v) == to_json(v).size() ? to_json(v) : "wrong size"; }

TEST(Json, TextIsCompactAndInInsertionOrder) {
  EXPECT_EQ(text_of(Object{{"b", 1}, {"a", Array{true, nullptr, "x"}}}), R"({"b":1,"a":[true,null,"x"]})");
  EXPECT_EQ(text_of(Array{}), "[]");
  EXPECT_EQ(text_of(Object{}), "{}");
  EXPECT_EQ(text_of(Array{Array{}, Object{}}), "[[],{}]");
  EXPECT_EQ(text_of(false), "false");
}

TEST(Json, IntegersAreExact) {
  EXPECT_EQ(text_of(int64_t{INT64_MIN}), "-9223372036854775808");
  EXPECT_EQ(text_of(uint64_t{UINT64_MAX}), "18446744073709551615");
  EXPECT_EQ(text_of(int64_t{9007199254740993}), "9007199254740993");
}

TEST(Json, StringsAreEscapedAsJsonStringifyDoes) {
  EXPECT_EQ(text_of("\b\f\n\r\t\"\\/"), R"("\b\f\n\r\t\"\\/")");
  EXPECT_EQ(text_of(std::string("\0\x01\x1f", 3)), R"("\u0000\u0001\u001f")");
  EXPECT_EQ(text_of("\x7f\xe2\x80\xa8\xf0\x9f\x9a\x80"), "\"\x7f\xe2\x80\xa8\xf0\x9f\x9a\x80\"");
}

TEST(Json, EscapesAreFoundAtEveryPlaceOfALongString) {
  for (size_t at = 0; at < 40; ++at) {
    for (const char c : {'"', '\\', '\n', '\x1f', '\0'}) {
      std::string s(40, 'x');
      s[at] = c;
      std::string expected = s;
      const std::string escape = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c ? "\\u001f" : "\\u0000";
      expected.replace(at, 1, escape);
      EXPECT_EQ(text_of(s), "\"" + expected + "\"");
    }
  }
}

TEST(Json, Utf8IsJudgedAtEveryPlaceOfALongString) {
  EXPECT_TRUE(valid_utf8(""));
  EXPECT_TRUE(valid_utf8("\xf0\x9f\x9a\x80"));
  for (size_t at = 0; at < 40; ++at) {
    std::string s(40, 'x');
    s[at] = '\xff';
    EXPECT_FALSE(valid_utf8(s));
    s.replace(at, 1, "\xc3\xa9");
    EXPECT_TRUE(valid_utf8(s));
    s.replace(at, 2, "\xed\xa0\x80");  // a surrogate
    EXPECT_FALSE(valid_utf8(s));
  }
  EXPECT_FALSE(valid_utf8("\xc3"));
  EXPECT_FALSE(valid_utf8("\xc0\x80"));
}

TEST(Json, CountedBytesAreTheTextsBytes) {
  check_property(1000, [] {
    const Value v = *generate::any_value();
    RC_ASSERT(json_bytes(v) == to_json(v).size());
  });
}

// Doubles of whole value come back as integers: so the text is compared, not the type.
TEST(Json, TextComesBackFromItsOwnParse) {
  check_property(1000, [] {
    const Value v = *generate::any_value();
    const std::string text = to_json(v);
    const Result<Value> parsed = parse_json(text);
    RC_ASSERT(parsed.ok());
    RC_ASSERT(to_json(*parsed) == text);
  });
}

}  // namespace
}  // namespace cairn::engine
