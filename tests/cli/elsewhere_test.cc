// Runs that are owned elsewhere, as the commands show and change them.
#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Elsewhere : public CommandTest {
 protected:
  /// The run "c", whose parent and root "box" is not here and has got `cost` 5.
  void used_before_it_is_started() {
    ASSERT_EQ(cairn({"start", "--id", "c", "--parent", "box"}).exit, 0);
    const Ran ran = cairn({"apply", "--atomic"}, R"({"id":"c","operations":[{"type":"set","key":"k","value":1}],)"
                                                 R"("parentOperations":[{"type":"increment","key":"cost","value":2}],)"
                                                 R"("rootOperations":[{"type":"increment","key":"cost","value":3}]})");
    ASSERT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.out, "box: 2 accepted\nc: 1 applied\n");
    EXPECT_EQ(metadata("c"), "{\"k\":1}\n");
  }
};

TEST_F(Elsewhere, ItHasNoStatusHere) {
  used_before_it_is_started();
  EXPECT_THAT(cairn({"ls"}).out, HasSubstr("(elsewhere)"));
  EXPECT_THAT(cairn({"ls", "--status", "EXECUTING"}).out, Not(HasSubstr("box")));
  const auto lines = cairn({"ls", "--json", "--order", "id"}).lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0]["status"].is_null()) << lines[0];
  EXPECT_EQ(lines[1]["status"], "EXECUTING");
  EXPECT_THAT(cairn({"show", "box"}).out, HasSubstr("owned elsewhere"));
  const Ran got = cairn({"get", "box"});
  EXPECT_EQ(got.exit, 1);
  EXPECT_EQ(got.out, "");
  EXPECT_THAT(got.err, HasSubstr("owned elsewhere"));
}

TEST_F(Elsewhere, ItIsNotWaitedFor) {
  used_before_it_is_started();
  ASSERT_EQ(cairn({"finish", "c", "--status", "completed"}).exit, 0);
  EXPECT_EQ(cairn({"watch", "--until-finished", "--plain"}).exit, 0);
  EXPECT_EQ(cairn({"watch", "--until-finished", "--plain", "box"}).exit, 1);
}

// Nobody here ends them, so a watch of only such would go on for ever.
TEST_F(Elsewhere, OnlySuchAreNotWaitedForEither) {
  used_before_it_is_started();
  ASSERT_EQ(cairn({"erase", "c"}).exit, 0);
  const Ran one = cairn({"watch", "--until-finished", "--plain"});
  EXPECT_EQ(one.exit, 1);
  EXPECT_THAT(one.err, HasSubstr("box is owned elsewhere"));
  started("d");
  EXPECT_EQ(cairn({"finish", "d"}).exit, 0);
  EXPECT_EQ(cairn({"watch", "--until-finished", "--plain"}).exit, 0);
}

TEST_F(Elsewhere, OfSeveralEachIsSaidByWhatBecameOfIt) {
  used_before_it_is_started();
  const std::string add = R"([{"type":"increment","key":"z","value":1}])";
  EXPECT_EQ(cairn({"apply", "--atomic", "box", "c"}, add).out, "box: 1 accepted\nc: 1 applied\n");
  const Json parts = cairn({"apply", "--atomic", "box", "c", "--json"}, add).parsed()["parts"];
  EXPECT_EQ(parts[0]["outcome"], "accepted") << parts;
  EXPECT_EQ(parts[1]["outcome"], "applied") << parts;
}

TEST_F(Elsewhere, WhatWaitsForAnOwnerNobodyHasNamedIsSaid) {
  used_before_it_is_started();
  const Ran why = cairn({"why", "box"});
  EXPECT_EQ(why.exit, 1);
  EXPECT_THAT(why.out, HasSubstr("2 updates wait here for the run's owner, whom nobody has named"));
  EXPECT_THAT(cairn({"stats"}).out, HasSubstr("1 EXECUTING, 1 owned elsewhere"));
  EXPECT_THAT(cairn({"stats"}).out, HasSubstr("2 updates of runs that are owned elsewhere"));
}

TEST_F(Elsewhere, EachCommandThatUpdatesARunUpdatesIt) {
  used_before_it_is_started();
  EXPECT_EQ(cairn({"set", "box", "x", "1", "--json"}).parsed()["outcome"], "accepted");
  EXPECT_EQ(cairn({"append", "box", "l", "1"}).exit, 0);
  EXPECT_EQ(cairn({"append", "box", "l", "2"}).exit, 0);
  EXPECT_EQ(cairn({"remove", "box", "l", "1"}).exit, 0);
  EXPECT_EQ(cairn({"increment", "box", "cost", "1"}).exit, 0);
  EXPECT_EQ(cairn({"set", "box", "y", "1"}).exit, 0);
  EXPECT_EQ(cairn({"del", "box", "y"}).exit, 0);
  EXPECT_EQ(cairn({"apply", "box"}, R"([{"type":"set","key":"z","value":1}])").out, "accepted\n");
  EXPECT_EQ(cairn({"apply", "--atomic", "box"}, R"([{"type":"increment","key":"z","value":1}])").out, "accepted\n");
  for (const char* command : {"finish", "resume"}) {
    const Ran refused = cairn({command, "box"});
    EXPECT_EQ(refused.exit, 1) << "that is its owner's: " << command;
    EXPECT_THAT(refused.err, HasSubstr("box")) << command;
    EXPECT_THAT(refused.err, HasSubstr("only the store that owns it")) << command;
  }
  const Ran started = cairn({"start", "--id", "box"});
  ASSERT_EQ(started.exit, 0) << started.err;
  EXPECT_EQ(metadata("box"), "{\"cost\":6,\"x\":1,\"l\":[2],\"z\":2}\n");
  EXPECT_EQ(cairn({"finish", "box"}).exit, 0);
}

TEST_F(Elsewhere, ItIsUpdatedAlsoIfAChildAloneNamesIt) {
  ASSERT_EQ(cairn({"start", "--id", "c", "--parent", "box"}).exit, 0);
  EXPECT_EQ(cairn({"set", "nobody", "x", "1"}).exit, 1);
  const Ran ran = cairn({"set", "box", "x", "1", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.parsed()["outcome"], "accepted");
  ASSERT_EQ(cairn({"start", "--id", "d", "--parent", "other"}).exit, 0);
  EXPECT_EQ(cairn({"apply", "--atomic", "other", "d"}, R"([{"type":"increment","key":"z","value":1}])").out,
            "d: 1 applied\nother: 1 accepted\n");
  EXPECT_EQ(cairn({"finish", "unknown"}).exit, 1);
  ASSERT_EQ(cairn({"start", "--id", "box"}).exit, 0);
  EXPECT_EQ(metadata("box"), "{\"x\":1}\n");
}

// Nobody follows it further than one step.
TEST_F(Elsewhere, ACircleOfParentsIsImportedAndNothingGoesRoundInIt) {
  const Ran imported = cairn({"import"}, R"({"id":"a","parent":"b","root":"c"}
{"id":"b","parent":"c","root":"a"}
{"id":"c","parent":"a","root":"b"}
)");
  ASSERT_EQ(imported.exit, 0) << imported.err;
  const Ran updated =
      cairn({"apply", "--atomic"}, R"({"id":"a","parentOperations":[{"type":"set","key":"p","value":1}],)"
                                   R"("rootOperations":[{"type":"set","key":"r","value":1}]})");
  ASSERT_EQ(updated.exit, 0) << updated.err;
  EXPECT_EQ(metadata("b"), "{\"p\":1}\n");
  EXPECT_EQ(metadata("c"), "{\"r\":1}\n");
  EXPECT_EQ(cairn({"start", "--id", "d", "--parent", "a"}).exit, 0);
  EXPECT_EQ(cairn({"ls", "--root", "c", "--json"}).lines().size(), 2u) << "a, and d by its parent";
  EXPECT_EQ(cairn({"ls", "--parent", "a", "--json"}).lines().size(), 2u);
  EXPECT_EQ(cairn({"show", "a"}).exit, 0);
  EXPECT_EQ(cairn({"verify"}).exit, 0);
  EXPECT_EQ(cairn({"erase", "a"}).exit, 0);
  EXPECT_EQ(cairn({"export"}).lines().size(), 3u);
}

TEST_F(Elsewhere, AnImportMakesItThisStoresOwn) {
  used_before_it_is_started();
  const Ran ran = cairn({"import"}, R"({"id":"box","metadata":{"cost":10}})");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(metadata("box"), "{\"cost\":15}\n");
}

TEST_F(Elsewhere, ARunIsNotItsOwnParent) {
  const Ran ran = cairn({"start", "--id", "r", "--parent", "r"});
  EXPECT_EQ(ran.exit, 64);
  EXPECT_THAT(ran.err, HasSubstr("its own parent"));
  EXPECT_EQ(cairn({"import"}, R"({"id":"r","parent":"r"})").exit, 65);
}

TEST_F(Elsewhere, StatusesAreTakenInEitherCase) {
  started("a");
  EXPECT_EQ(cairn({"finish", "a", "--status", "canceled"}).exit, 0);
  EXPECT_THAT(cairn({"ls", "--status", "Canceled"}).out, HasSubstr(" CANCELED "));
  EXPECT_EQ(cairn({"import"}, R"({"id":"b","status":"executing"})").exit, 0);
}

}  // namespace
}  // namespace cairn::tests
