#include <gtest/gtest.h>

#include <string>

#include "engine/json/json.h"
#include "tests/support/json_literal.h"

namespace cairn::engine {
namespace {

/// Type and text of the parsed value, or the error's number in words.
std::string parsed(std::string_view text) {
  const Result<Value> v = parse_json(text);
  switch (v.code()) {
    case Code::kOk:
      break;
    case Code::kInvalidJson:
      return "invalid JSON";
    case Code::kInvalidUtf8:
      return "invalid UTF-8";
    case Code::kTooDeep:
      return "too deep";
    case Code::kNotFinite:
      return "not finite";
    case Code::kTooLarge:
      return "too large";
    default:
      return "?";
  }
  constexpr const char* kNames[] = {"", "", "int64 ", "uint64 ", "double ", "", "", ""};
  return kNames[static_cast<size_t>(v->type())] + to_json(*v);
}

std::string arrays(int levels) {
  return std::string(static_cast<size_t>(levels), '[') + std::string(static_cast<size_t>(levels), ']');
}

TEST(JsonParse, ReadsEveryKindOfValueWithSpaceAround) {
  EXPECT_EQ(parsed(" null\n"), "null");
  EXPECT_EQ(parsed("\ttrue "), "true");
  EXPECT_EQ(parsed("false"), "false");
  EXPECT_EQ(parsed(" \"x\" "), "\"x\"");
  EXPECT_EQ(parsed(" [ 1 , [ ] , { } ] "), "[1,[],{}]");
  EXPECT_EQ(parsed("{ \"a\" : { \"b\" : [ null , true , false ] } , \"\" : 0 }"),
            R"({"a":{"b":[null,true,false]},"":0})");
}

TEST(JsonParse, IntegersOf64BitsAreExactAndBeyondAreDoubles) {
  EXPECT_EQ(parsed("0"), "int64 0");
  EXPECT_EQ(parsed("-1"), "int64 -1");
  EXPECT_EQ(parsed("9223372036854775807"), "int64 9223372036854775807");
  EXPECT_EQ(parsed("-9223372036854775808"), "int64 -9223372036854775808");
  EXPECT_EQ(parsed("9223372036854775808"), "uint64 9223372036854775808");
  EXPECT_EQ(parsed("18446744073709551615"), "uint64 18446744073709551615");
  EXPECT_EQ(parsed("18446744073709551616"), "double 18446744073709552000");
  EXPECT_EQ(parsed("-9223372036854775809"), "double -9223372036854776000");
  EXPECT_EQ(parsed("1" + std::string(300, '0')), "double 1e+300");
}

TEST(JsonParse, PointOrExponentMakesADouble) {
  EXPECT_EQ(parsed("1.0"), "double 1");
  EXPECT_EQ(parsed("1e2"), "double 100");
  EXPECT_EQ(parsed("-2.5E-3"), "double -0.0025");
  EXPECT_EQ(parsed("0.1e+1"), "double 1");
  EXPECT_EQ(parsed("5e-324"), "double 5e-324");
  EXPECT_EQ(parsed("2.2250738585072011e-308"), "double 2.225073858507201e-308");
}

TEST(JsonParse, MinusZeroIsTheDouble) {
  EXPECT_EQ(json("-0"), Value(-0.0));
  EXPECT_EQ(json("[-0]"), Value(Array{-0.0}));
  EXPECT_EQ(json("-0.0"), Value(-0.0));
  EXPECT_EQ(to_json(json("-0")), "0");
}

TEST(JsonParse, NumbersBeyondTheDoublesAreNotFiniteAndTinyOnesAreZero) {
  EXPECT_EQ(parsed("1e400"), "not finite");
  EXPECT_EQ(parsed("[-1e309]"), "not finite");
  EXPECT_EQ(parsed("1" + std::string(400, '0')), "not finite");
  EXPECT_EQ(parsed("1" + std::string(400, '0') + ".5"), "not finite");
  EXPECT_EQ(parsed("0.1e99999999999999999999"), "not finite");
  EXPECT_EQ(parsed("1.7976931348623159e308"), "not finite");
  EXPECT_EQ(parsed("1e-400"), "double 0");
  EXPECT_EQ(json("-1e-400"), Value(-0.0));
  EXPECT_EQ(parsed("1e-99999999999999999999"), "double 0");
  EXPECT_EQ(parsed("0e99999999999999999999"), "double 0");
  EXPECT_EQ(parsed("0." + std::string(400, '0') + "1"), "double 0");
  EXPECT_EQ(parsed("0." + std::string(400, '0') + "1e401"), "double 1");
  EXPECT_EQ(parsed("1" + std::string(400, '0') + "e-400"), "double 1");
}

TEST(JsonParse, LastOfDuplicateKeysWinsAtTheFirstPlace) {
  EXPECT_EQ(parsed(R"({"a":1,"b":2,"\u0061":{"a":1,"a":2}})"), R"({"a":{"a":2},"b":2})");
}

TEST(JsonParse, ProtoMembersAreDropped) {
  EXPECT_EQ(parsed(R"({"__proto__":{"x":1},"b":[{"__pro\u0074o__":2,"constructor":3}]})"),
            R"({"b":[{"constructor":3}]})");
  EXPECT_EQ(parsed(R"({"__proto__":[}]})"), "invalid JSON");
}

TEST(JsonParse, EscapesAreRead) {
  EXPECT_EQ(json(R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude80\u0000")"),
            Value(std::string("\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x9a\x80\0", 15)));
}

TEST(JsonParse, LoneSurrogatesAndBadBytesAreInvalidUtf8) {
  for (const char* text : {R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\n")", R"("\ud800\ud800")",
                           R"({"\udfff":1})", R"(["a\\","\ud83dx"])", "\"\xff\"", "\"\xed\xa0\x80\"", "[\"\xc3\"]"}) {
    EXPECT_EQ(parsed(text), "invalid UTF-8") << text;
  }
}

TEST(JsonParse, MalformedEscapesAreInvalidJson) {
  for (const char* text : {R"("\x")", R"("\u12g4")", R"("\u123")", R"("\ud800\u12")", R"({"\q":1})", "\"\\\n\""}) {
    EXPECT_EQ(parsed(text), "invalid JSON") << text;
  }
}

TEST(JsonParse, MalformedTextIsInvalidJson) {
  for (const char* text : {"",
                           " ",
                           "[",
                           "]",
                           "{",
                           "}",
                           "[}",
                           "{]",
                           "[1",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "1 2",
                           "1,2",
                           "1]",
                           "1],[2",
                           "][",
                           "[][]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{1:2}",
                           "01",
                           "-",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "0x10",
                           "nul",
                           "nulll",
                           "TRUE",
                           "NaN",
                           "'a'",
                           "\"a",
                           "\"a\nb\"",
                           "\"a\"b",
                           "[1]x",
                           "[\"a\":1]",
                           "--1",
                           "1-",
                           "- 1",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":1 \"b\":2}",
                           "[truefalse]",
                           "true false",
                           "/**/1",
                           "[1}]"}) {
    EXPECT_EQ(parsed(text), "invalid JSON") << text;
  }
  EXPECT_EQ(parsed(std::string_view("1\0", 2)), "invalid JSON");
  EXPECT_EQ(parsed(std::string_view("\0", 1)), "invalid JSON");
}

TEST(JsonParse, EveryPrefixOfATextIsRefused) {
  const std::string text = R"({"a":[1.5,{"b":"x\u00e9\n","c":null}],"d":true})";
  ASSERT_EQ(parse_json(text).code(), Code::kOk);
  for (size_t bytes = 0; bytes < text.size(); ++bytes) {
    EXPECT_EQ(parsed(std::string_view(text).substr(0, bytes)), "invalid JSON") << bytes;
  }
}

TEST(JsonParse, SixtyFourLevelsPassAndMoreAreTooDeep) {
  EXPECT_EQ(parsed(arrays(kDepthMax)), arrays(kDepthMax));
  EXPECT_EQ(parsed(arrays(kDepthMax + 1)), "too deep");
  EXPECT_EQ(parsed("{\"a\":" + arrays(kDepthMax - 1) + "}"), "{\"a\":" + arrays(kDepthMax - 1) + "}");
  EXPECT_EQ(parsed("{\"a\":" + arrays(kDepthMax) + "}"), "too deep");
  EXPECT_TRUE(parse_json(arrays(66), 1000, 66).ok());
}

TEST(JsonParse, DepthBombsAreTooDeep) {
  EXPECT_EQ(parsed(std::string(1'000'000, '[')), "too deep");
  EXPECT_EQ(parsed(arrays(1'000'000)), "too deep");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) {
    objects += "{\"a\":";
  }
  EXPECT_EQ(parsed(objects), "too deep");
}

TEST(JsonParse, TextOverTheLimitIsTooLarge) {
  EXPECT_TRUE(parse_json("[1,2]", 5).ok());
  EXPECT_EQ(parse_json("[1,2] ", 5).code(), Code::kTooLarge);
}

TEST(JsonParse, LargeTextsAndManyKeysAreReadInReasonableTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) {
    text += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  }
  text += "\"key0\":-1}";
  const Value v = json(text);
  EXPECT_EQ(v.get<Object>()->size(), 200'000U);
  EXPECT_EQ(v.get<Object>()->front().value, Value(-1));
}

TEST(JsonParse, AnErrorDoesNotSpoilTheNextParse) {
  EXPECT_EQ(parsed("[1,{\"a\":"), "invalid JSON");
  EXPECT_EQ(parsed("[\"\xff\"]"), "invalid UTF-8");
  EXPECT_EQ(parsed("[1,{\"a\":2}]"), "[1,{\"a\":2}]");
}

}  // namespace
}  // namespace cairn::engine
