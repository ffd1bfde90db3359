#include <signal.h>
#include <sys/stat.h>

#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class Apply : public CommandTest {
 protected:
  void SetUp() override { started("r", R"({"n":1})"); }
};

TEST_F(Apply, PrintsTheOutcomeOfEachOperation) {
  const Ran ran =
      cairn({"apply", "r"}, R"([{"type":"set","key":"a","value":[1]},{"type":"increment","key":"n","value":2},
      {"type":"remove","key":"a","value":9},{"type":"delete","key":"none"}])");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, "applied\napplied\nunchanged\nunchanged\n");
  EXPECT_EQ(metadata(), "{\"n\":3,\"a\":[1]}\n");
}

TEST_F(Apply, UnappliedOperationsEndWith1AndDoNotStopTheRest) {
  const Ran ran = cairn({"apply", "r", "--json"},
                        R"([{"type":"remove","key":"none","value":9},{"type":"set","key":"n","value":5}])");
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.parsed()["outcomes"], Json({"unapplied(no such key)", "applied"}));
  EXPECT_EQ(metadata(), "{\"n\":5}\n");
}

TEST_F(Apply, AtomicAppliesAllOrNone) {
  const Ran refused = cairn({"apply", "r", "--atomic"},
                            R"([{"type":"set","key":"n","value":5},{"type":"remove","key":"none","value":9}])");
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.err, HasSubstr("nothing was applied"));
  EXPECT_THAT(refused.err, HasSubstr("operation 1"));
  EXPECT_EQ(metadata(), "{\"n\":1}\n");
  EXPECT_EQ(cairn({"apply", "r", "--atomic"}, R"([{"type":"set","key":"n","value":5}])").out, "applied\n");
  EXPECT_EQ(metadata(), "{\"n\":5}\n");
}

TEST_F(Apply, AtomicGivesSeveralRunsTheSameOperations) {
  started("s");
  const Ran ran = cairn({"apply", "r", "s", "--atomic"}, R"([{"type":"set","key":"stop","value":true}])");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, "r: 1 applied\ns: 1 applied\n");
  EXPECT_EQ(metadata("r"), "{\"n\":1,\"stop\":true}\n");
  EXPECT_EQ(metadata("s"), "{\"stop\":true}\n");
}

TEST_F(Apply, AtomicTakesALineForEachRun) {
  started("s", R"({"n":5})");
  const Ran ran = cairn({"apply", "--atomic", "--json"},
                        R"({"id":"r","operations":[{"type":"increment","key":"n","value":-1}]}

                           {"operations":[{"type":"increment","key":"n","value":1},
                           {"type":"set","key":"from","value":1.0}],"id":"s"})");
  EXPECT_EQ(ran.exit, 65) << "an object over two lines";
  EXPECT_THAT(ran.error()["message"].get<std::string>(), HasSubstr("line 3"));
  const Ran good =
      cairn({"apply", "--atomic", "--json"}, R"({"id":"r","operations":[{"type":"increment","key":"n","value":-1}]}
{"id":"s","operations":[{"type":"increment","key":"n","value":1}]}
{"id":"r","operations":[{"type":"set","key":"to","value":"s"}]})");
  EXPECT_EQ(good.exit, 0) << good.err;
  const Json runs = good.parsed()["parts"];
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0]["id"], "r");
  EXPECT_EQ(runs[0]["operations"], 2);
  EXPECT_EQ(runs[1]["sequence"], cairn({"show", "s", "--json"}).parsed()["sequence"]);
  EXPECT_EQ(metadata("r"), "{\"n\":0,\"to\":\"s\"}\n");
  EXPECT_EQ(metadata("s"), "{\"n\":6}\n");
}

TEST_F(Apply, AtomicOverSeveralRunsChangesNoneWhenOneDoesNotApply) {
  started("s");
  const Ran ran = cairn({"apply", "--atomic"}, R"({"id":"r","operations":[{"type":"set","key":"n","value":2}]}
{"id":"s","operations":[{"type":"set","key":"a","value":1},{"type":"remove","key":"none","value":9}]})");
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("nothing was applied"));
  EXPECT_THAT(ran.err, HasSubstr("line 2, run s, operation 1 (from 0)"));
  EXPECT_EQ(metadata("r"), "{\"n\":1}\n");
  EXPECT_EQ(metadata("s"), "{}\n");
  ASSERT_EQ(cairn({"finish", "s"}).exit, 0);
  const Ran finished = cairn({"apply", "--atomic", "r", "s"}, R"([{"type":"set","key":"n","value":2}])");
  EXPECT_EQ(finished.exit, 1);
  EXPECT_THAT(finished.err, HasSubstr("run \"s\": "));
  EXPECT_EQ(metadata("r"), "{\"n\":1}\n");
  EXPECT_THAT(cairn({"apply", "--atomic", "r", "none"}, "[]").err, HasSubstr("none"));
}

TEST_F(Apply, SeveralRunsOrNoneNeedAtomic) {
  EXPECT_EQ(cairn({"apply", "r", "s"}, "[]").exit, 64);
  EXPECT_THAT(cairn({"apply", "r", "s"}, "[]").err, HasSubstr("give --atomic"));
  EXPECT_EQ(cairn({"apply"}, "[]").exit, 64);
}

TEST_F(Apply, LinesThatAreNotOperationsChangeNothing) {
  for (const char* input :
       {"nonsense", "[]", R"({"id":"r"})", R"({"id":"r","operations":{}})", R"({"id":7,"operations":[]})",
        R"({"id":"r","operations":[],"more":1})", R"({"id":"r","operations":[{"type":"frob"}]})"}) {
    const Ran ran =
        cairn({"apply", "--atomic"},
              std::string(R"({"id":"r","operations":[{"type":"set","key":"n","value":2}]})") + "\n" + input);
    EXPECT_EQ(ran.exit, 65) << input;
    EXPECT_THAT(ran.err, HasSubstr("line 2: ")) << input;
    EXPECT_THAT(ran.err, HasSubstr("a line is {\"id\":ID,")) << input;
  }
  EXPECT_EQ(metadata(), "{\"n\":1}\n");
}

TEST_F(Apply, UpdateReplacesEverything) {
  EXPECT_EQ(cairn({"apply", "r"}, R"([{"type":"update","value":{"fresh":true}}])").exit, 0);
  EXPECT_EQ(metadata(), "{\"fresh\":true}\n");
}

TEST_F(Apply, StopsAtAResultThatIsTooLargeAndKeepsWhatCameBefore) {
  const Ran ran = cairn({"apply", "r"}, R"([{"type":"set","key":"a","value":1},{"type":"set","key":"b","value":")" +
                                            std::string(5000, 'x') + R"("},{"type":"set","key":"c","value":1}])");
  EXPECT_EQ(ran.exit, 65);
  EXPECT_EQ(ran.out, "applied\n");
  EXPECT_THAT(ran.err, HasSubstr("operation 1"));
  EXPECT_EQ(metadata(), "{\"n\":1,\"a\":1}\n");
}

TEST_F(Apply, InputThatIsNoListOfOperationsChangesNothing) {
  for (const char* input : {"", "nonsense", "{}", R"([{"type":"frob","key":"a","value":1}])",
                            R"([{"type":"set","key":"n","value":2},{"type":"set","key":"a"}])",
                            R"([{"type":"increment","key":"n","value":"x"}])"}) {
    const Ran ran = cairn({"apply", "r"}, input);
    EXPECT_EQ(ran.exit, 65) << input;
    EXPECT_EQ(ran.out, "") << input;
  }
  EXPECT_THAT(cairn({"apply", "r"}, R"([{"type":"delete","key":"x"},{"type":"set","key":"a"}])").err,
              HasSubstr("operation 1 (from 0): operation: the value is missing"));
  EXPECT_EQ(metadata(), "{\"n\":1}\n");
}

TEST_F(Apply, ASignalWhileItWaitsForInputEndsItAndLeavesAGoodStore) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  const int writer = ::open(path("fifo").c_str(), O_RDWR | O_CLOEXEC);  // first: opening it to read waits for a writer
  ASSERT_GE(writer, 0);
  const pid_t pid = spawn({"apply", "r"}, path("fifo"));
  ASSERT_EQ(write(writer, "[", 1), 1);
  usleep(200'000);  // for the handler: before it is there, the default ends the process just the same
  kill(pid, SIGTERM);
  const Ran ran = wait_for(pid);
  ::close(writer);
  EXPECT_EQ(ran.signal, SIGTERM);
  EXPECT_EQ(cairn({"verify"}).exit, 0);
  EXPECT_EQ(cairn({"set", "r", "n", "2"}).exit, 0);
}

class Eval : public CommandTest {};

TEST_F(Eval, PrintsMetadataBytesAndOutcomesWithoutAStore) {
  const Ran ran = bare({"eval", "--document", R"({"n":1})", "--operations",
                        R"([{"type":"increment","key":"n","value":2},{"type":"remove","key":"x","value":1}])"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "{\"metadata\":{\"n\":3},\"metadata_bytes\":7,\"outcomes\":[\"applied\",\"unapplied(no such key)\"]}\n");
}

TEST_F(Eval, OfNoOperationsGivesTheDocumentBack) {
  EXPECT_EQ(bare({"eval", "--operations", "[]"}).out, "{\"metadata\":{},\"metadata_bytes\":2,\"outcomes\":[]}\n");
  EXPECT_EQ(bare({"eval", "--document", R"({"a":1e2,"b":"\u00e9"})", "--operations", "[]"}).out,
            "{\"metadata\":{\"a\":100,\"b\":\"\xC3\xA9\"},\"metadata_bytes\":18,\"outcomes\":[]}\n");
}

TEST_F(Eval, BadInputEndsWith65) {
  EXPECT_EQ(bare({"eval", "--document", "[]", "--operations", "[]"}).exit, 65);
  EXPECT_EQ(bare({"eval", "--document", "{", "--operations", "[]"}).exit, 65);
  EXPECT_EQ(bare({"eval", "--operations", "[{}]"}).exit, 65);
  EXPECT_EQ(bare({"eval", "--operations", "{"}).exit, 65);
  EXPECT_EQ(bare({"eval", "--operations", R"([{"type":"set","key":"__proto__","value":1}])"}).exit, 65);
  EXPECT_EQ(bare({"eval"}).exit, 64);
}

TEST_F(Eval, OnlyTheSizeOfTheResultCounts) {
  const std::string large(5000, 'x');
  const std::string grow = R"({"type":"set","key":"k","value":")" + large + R"("})";
  EXPECT_EQ(bare({"eval", "--operations", "[" + grow + R"(,{"type":"delete","key":"k"}])"}).exit, 0);
  const Ran ran = bare({"eval", "--operations", "[" + grow + "]", "--json"});
  EXPECT_EQ(ran.exit, 65);
  EXPECT_EQ(ran.error()["code"], "TOO_LARGE");
  EXPECT_EQ(ran.error()["needed"], 5000 + 8);
  EXPECT_EQ(bare({"eval", "--operations", "[" + grow + "]", "--limit", "5008"}).exit, 0);
}

}  // namespace
}  // namespace cairn::tests
