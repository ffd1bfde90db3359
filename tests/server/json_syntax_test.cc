#include "api/server/json_syntax.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "engine/json/json.h"
#include "tests/support/seeded_random.h"

namespace cairn::tests {
namespace {

using server::is_json;

TEST(JsonSyntax, TakesWhatTheGrammarTakes) {
  for (const std::string text :
       {"0", "-0", " 1.5e+3\n", "1e400", "-0.0E-7", "true", "null", "\"\"", "\"\\u00e9\\n\\/\"", "\"\\ud800\"", "[]",
        "[ ]", "{}", "{ \"a\" : [1, {\"a\":2,\"a\":3}, []] }", "123456789012345678901234567890"}) {
    EXPECT_TRUE(is_json(text)) << text;
  }
  const size_t deep = 100'000;
  EXPECT_TRUE(is_json(std::string(deep, '[') + std::string(deep, ']')));
}

TEST(JsonSyntax, RefusesWhatItDoesNot) {
  for (const std::string text : {"",
                                 " ",
                                 "hello",
                                 "tru",
                                 "truex",
                                 "01",
                                 "-",
                                 "+1",
                                 "1.",
                                 ".5",
                                 "1e",
                                 "1e+",
                                 "0x1",
                                 "NaN",
                                 "\"",
                                 "\"\\x\"",
                                 "\"\\u12g4\"",
                                 "\"\\u12\"",
                                 "\"\n\"",
                                 "[",
                                 "[1",
                                 "[1,",
                                 "[1,]",
                                 "[1 2]",
                                 "[,1]",
                                 "]",
                                 "{",
                                 "{1:2}",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\":1,}",
                                 "{\"a\":1 \"b\":2}",
                                 "{\"a\":1]",
                                 "[1}",
                                 "{} {}",
                                 "1 2",
                                 "{\"a\":1e400,\"b\":}",
                                 "[\"\\ud800\",nope]"}) {
    EXPECT_FALSE(is_json(text)) << text;
  }
  EXPECT_FALSE(is_json(std::string(129, '[') + "x"));
}

// Where another parser has nothing against the values, it has the same to say of the grammar.
TEST(JsonSyntax, AgreesWithAnotherParser) {
  cairn::testing::SeededRandom random(7);
  const std::string alphabet = "{}[]:,\"\\u0 1-.e+tnab\n";
  size_t taken = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text = i % 2 == 0 ? R"({"a":[1,-2.5e1,"\u0041b",{}],"n":null})" : "[]";
    for (uint64_t edits = random.below(3); edits > 0; --edits) {
      const size_t at = random.below(text.size() + 1);
      text.replace(at, std::min<size_t>(random.below(3), text.size() - at), 1, alphabet[random.below(alphabet.size())]);
    }
    if (!engine::valid_utf8(text)) {
      continue;
    }
    const bool takes = is_json(text);
    taken += takes ? 1 : 0;
    if (nlohmann::json::accept(text)) {
      ASSERT_TRUE(takes) << text;
    } else if (engine::parse_json(text).code() == Code::kInvalidJson) {
      ASSERT_FALSE(takes) << text;
    }
  }
  EXPECT_GT(taken, 50'000u);
}

}  // namespace
}  // namespace cairn::tests
