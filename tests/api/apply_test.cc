#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

using json = nlohmann::ordered_json;

std::string eval(const std::string& metadata, const std::string& operations, uint64_t limit = 0) {
  std::string text(1 << 20, '\0');
  size_t needed = 0;
  const cairn_status s = cairn_eval(metadata.data(), metadata.size(), operations.data(), operations.size(), limit,
                                    text.data(), text.size(), &needed);
  if (s != CAIRN_OK) {
    return "status " + std::to_string(s);
  }
  text.resize(needed);
  return text;
}

class Apply : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    start("r", "{\"n\":1}");
  }
  cairn_status apply(std::string_view operations) {
    count_ = 99;
    return cairn_run_apply(run_, operations.data(), operations.size(), outcomes_, 4, &count_);
  }
  cairn_status apply_atomic(std::string_view operations) {
    return cairn_run_apply_atomic(run_, operations.data(), operations.size());
  }
  std::string outcomes() const {
    std::string text;
    for (size_t i = 0; i < count_ && i < 4; ++i) {
      text += std::to_string(outcomes_[i].code) + "/" + std::to_string(outcomes_[i].reason) + " ";
    }
    return text + "of " + std::to_string(count_);
  }
  cairn_outcome outcomes_[4] = {};
  size_t count_ = 0;
};

constexpr const char* kMixed =
    "[{\"type\":\"set\",\"key\":\"a\",\"value\":1},{\"type\":\"remove\",\"key\":\"n\",\"value\":1},"
    "{\"type\":\"delete\",\"key\":\"none\"},{\"type\":\"increment\",\"key\":\"n\",\"value\":2},"
    "{\"type\":\"append\",\"key\":\"l\",\"value\":[1]}]";

TEST_F(Apply, GoesOnPastUnappliedOperationsAndTellsEachOutcome) {
  CAIRN_EXPECT(CAIRN_OK, apply(kMixed));
  EXPECT_EQ(outcomes(), "0/0 17/2 1/0 0/0 of 5");
  EXPECT_EQ(current(), "{\"n\":3,\"a\":1,\"l\":[[1]]}");
}

TEST_F(Apply, StopsAtAnErrorAndSaysWhere) {
  CAIRN_EXPECT(CAIRN_KEY_REFUSED, apply("[{\"type\":\"set\",\"key\":\"a\",\"value\":1},"
                                        "{\"type\":\"set\",\"key\":\"$.x.__proto__\",\"value\":1},"
                                        "{\"type\":\"set\",\"key\":\"b\",\"value\":1}]"));
  EXPECT_EQ(last_error().index, 1u);
}

TEST_F(Apply, AnArrayThatIsNoneOfOperationsChangesNothing) {
  CAIRN_EXPECT(CAIRN_INVALID_JSON, apply("[{"));
  EXPECT_EQ(count_, 0u);
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, apply("{\"type\":\"set\"}"));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT,
               apply("[{\"type\":\"set\",\"key\":\"a\",\"value\":1},{\"type\":\"set\",\"key\":\"a\"}]"));
  EXPECT_EQ(last_error().index, 1u);
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, apply("[{\"type\":\"merge\",\"key\":\"a\",\"value\":1}]"));
  EXPECT_EQ(current(), "{\"n\":1}");
}

TEST_F(Apply, AtomicIsAllOrNone) {
  CAIRN_EXPECT(CAIRN_UNAPPLIED, apply_atomic(kMixed));
  EXPECT_EQ(last_error().index, 1u);
  EXPECT_EQ(current(), "{\"n\":1}");
  CAIRN_EXPECT(
      CAIRN_OK,
      apply_atomic(
          "[{\"type\":\"set\",\"key\":\"a\",\"value\":1},{\"type\":\"increment\",\"key\":\"n\",\"value\":1}]"));
  EXPECT_EQ(current(), "{\"n\":2,\"a\":1}");
}

TEST_F(Apply, InAnAtomicBatchOnlyTheResultCountsForTheSize) {
  const std::string big = "\"" + std::string(5000, 'x') + "\"";
  CAIRN_EXPECT(CAIRN_OK, apply_atomic("[{\"type\":\"set\",\"key\":\"a\",\"value\":" + big +
                                      "},{\"type\":\"delete\",\"key\":\"a\"}]"));
  EXPECT_EQ(current(), "{\"n\":1}");
  CAIRN_EXPECT(CAIRN_TOO_LARGE, apply_atomic("[{\"type\":\"set\",\"key\":\"a\",\"value\":" + big + "}]"));
  EXPECT_EQ(last_error().limit, 4096u);
  EXPECT_EQ(current(), "{\"n\":1}");
}

TEST(Eval, GivesMetadataSizeAndOutcomes) {
  EXPECT_EQ(eval("{\"n\":1}", kMixed),
            "{\"metadata\":{\"n\":3,\"a\":1,\"l\":[[1]]},\"bytes\":23,\"outcomes\":[\"applied\",\"unapplied(the value "
            "is not an "
            "array)\",\"unchanged\",\"applied\",\"applied\"]}");
  EXPECT_EQ(eval("{}", "[]"), "{\"metadata\":{},\"bytes\":2,\"outcomes\":[]}");
}

TEST(Eval, HoldsTheResultToTheLimitExactly) {
  EXPECT_EQ(eval("{\"a\":1}", "[]", 7), "{\"metadata\":{\"a\":1},\"bytes\":7,\"outcomes\":[]}");
  EXPECT_EQ(eval("{\"a\":1}", "[]", 6), "status 18");
  EXPECT_EQ(last_error().needed, 7u);
  EXPECT_EQ(last_error().limit, 6u);
  EXPECT_EQ(eval("{}", "[{\"type\":\"set\",\"key\":\"a\",\"value\":[1,2,3]},{\"type\":\"delete\",\"key\":\"a\"}]", 2),
            "{\"metadata\":{},\"bytes\":2,\"outcomes\":[\"applied\",\"applied\"]}");
}

TEST(Eval, RefusesWhatIsNoObjectAndBadOperations) {
  EXPECT_EQ(eval("[]", "[]"), "status 24");
  EXPECT_EQ(eval("{", "[]"), "status 20");
  EXPECT_EQ(eval("{}", "[{\"type\":\"set\",\"key\":\"__proto__\",\"value\":1}]"), "status 25");
  EXPECT_EQ(eval("{}", "[{\"type\":\"set\"}]"), "status 16");
}

// The vectors of the model, of which the engine's own tests judge the results.
TEST_F(Apply, DoesToARunWhatEvalDoesToADocument) {
  std::ifstream file(CAIRN_TEST_DATA "/operations.json");
  std::string line;
  int i = 0;
  while (std::getline(file, line)) {
    if (!line.empty() && line.back() == ',') {
      line.pop_back();
    }
    const json v = json::parse(line, nullptr, false);
    if (!v.is_object()) {
      continue;  // the brackets of the list, and a lone surrogate that nlohmann cannot read
    }
    const std::string operations = v["operations"].dump();
    const json seen = json::parse(eval(v["initial"].dump(), operations), nullptr, false);
    start(("v" + std::to_string(i++)).c_str(), v["initial"].dump().c_str());
    std::vector<cairn_outcome> outcomes(v["operations"].size());
    size_t count = 0;
    const cairn_status s =
        cairn_run_apply(run_, operations.data(), operations.size(), outcomes.data(), outcomes.size(), &count);
    ASSERT_EQ(s == CAIRN_OK, seen.is_object()) << v["name"] << " " << explain(s);
    if (s != CAIRN_OK) {
      continue;
    }
    EXPECT_EQ(current(), seen["metadata"].dump()) << v["name"];
    EXPECT_EQ(current().size(), seen["bytes"]) << v["name"];
    ASSERT_EQ(count, outcomes.size());
    for (size_t k = 0; k < count; ++k) {
      const std::string expected = outcomes[k].code == CAIRN_OK ? "applied"
                                   : outcomes[k].code == CAIRN_UNCHANGED
                                       ? "unchanged"
                                       : std::string("unapplied(") + cairn_reason_text(outcomes[k].reason) + ")";
      EXPECT_EQ(seen["outcomes"][k], expected) << v["name"];
    }
  }
  EXPECT_GT(i, 50);
}

}  // namespace
}  // namespace cairn::tests
