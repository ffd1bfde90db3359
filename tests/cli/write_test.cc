#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class Start : public CommandTest {};

TEST_F(Start, PrintsAnIdThatIsThenThere) {
  const Ran ran = cairn({"start"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, MatchesRegex("run_[0-9a-z]{26}\n"));
  EXPECT_EQ(metadata(ran.out.substr(0, ran.out.size() - 1)), "{}\n");
}

TEST_F(Start, KeepsIdTaskTagsAndMetadata) {
  const Ran ran = cairn({"start", "--id", "r-1", "--task", "backup", "--tag", "a", "--tag", "b", "--metadata",
                         R"({"z":1,"a":[1.5,"x"]})", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json started = ran.parsed();
  EXPECT_EQ(started["id"], "r-1");
  EXPECT_EQ(started["status"], "EXECUTING");
  EXPECT_EQ(started["task"], "backup");
  EXPECT_EQ(started["tags"], Json({"a", "b"}));
  EXPECT_EQ(started["metadata"].dump(), R"({"z":1,"a":[1.5,"x"]})");
  EXPECT_EQ(started["sequence"], "1");
}

TEST_F(Start, OfATakenIdEndsWith1) {
  started("r");
  const Ran ran = cairn({"start", "--id", "r", "--json"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.error()["code"], "EXISTS");
  EXPECT_EQ(ran.out, "");
}

TEST_F(Start, RefusesWhatIsNoObjectOrNoId) {
  EXPECT_EQ(cairn({"start", "--metadata", "[1]"}).exit, 65);
  EXPECT_EQ(cairn({"start", "--metadata", "{"}).exit, 65);
  EXPECT_EQ(cairn({"start", "--id", "not an id"}).exit, 64);
}

TEST_F(Start, ResumesWhatIsThereAndKeepsItsOwnMetadata) {
  const std::vector<std::string> first = {"start", "--resume", "--id", "w", "--task", "a", "--metadata", R"({"n":1})"};
  EXPECT_EQ(cairn(first).out, "w\n");
  ASSERT_EQ(cairn({"increment", "w", "n"}).exit, 0);
  const Ran again = cairn({"start", "--resume", "--id", "w", "--task", "b", "--metadata", R"({"n":9})", "--json"});
  ASSERT_EQ(again.exit, 0) << again.err;
  EXPECT_EQ(again.parsed()["task"], "a");
  EXPECT_EQ(again.parsed()["metadata"].dump(), R"({"n":2})");
  EXPECT_EQ(cairn({"finish", "w"}).exit, 0);
  const Ran late = cairn({"start", "--resume", "--id", "w", "--json"});
  EXPECT_EQ(late.exit, 1);
  EXPECT_EQ(late.error()["code"], "FINISHED");
  EXPECT_EQ(cairn({"start", "--resume"}).exit, 64);
}

TEST_F(Start, ResumeGoesOnWithARunThatIsNotFinished) {
  started("r", R"({"n":1})");
  const Ran ran = cairn({"resume", "r", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.parsed()["status"], "EXECUTING");
  EXPECT_EQ(ran.parsed()["metadata"].dump(), R"({"n":1})");
  EXPECT_EQ(cairn({"resume", "r"}).out, "r\n");
  EXPECT_EQ(cairn({"resume", "none"}).exit, 1);
  EXPECT_EQ(cairn({"finish", "r"}).exit, 0);
  EXPECT_EQ(cairn({"resume", "r"}).exit, 1);
}

class Update : public CommandTest {
 protected:
  void SetUp() override { started("r", R"({"n":1,"list":[1,2,1]})"); }
};

TEST_F(Update, SetTakesEveryKindOfJson) {
  for (const char* value : {"1", "-7", "-0.5", "true", "null", "\"text\"", "\"\"", "{}", "[]", "[1,2]",
                            R"({"a":{"b":[]}})", "18446744073709551615"}) {
    const Ran ran = cairn({"set", "r", "key", value});
    ASSERT_EQ(ran.exit, 0) << value << ": " << ran.err;
    EXPECT_EQ(ran.out, "") << value;
    EXPECT_EQ(cairn({"get", "r", "key"}).out, std::string(value) + "\n");
  }
}

TEST_F(Update, SetStringTakesTheTextAsItIs) {
  for (const char* text : {"plain", "", "{not json", "two words", "\xC3\xA4"}) {
    ASSERT_EQ(cairn({"set", "r", "t", "--string", text}).exit, 0) << text;
    EXPECT_EQ(cairn({"get", "r", "t", "--string"}).out, std::string(text) + "\n");
  }
  EXPECT_EQ(cairn({"set", "r", "t", "--string", "\xFF"}).exit, 65);
}

TEST_F(Update, SetOfNoJsonEndsWith65AndExplainsQuotes) {
  const Ran ran = cairn({"set", "r", "phase", "copying"});
  EXPECT_EQ(ran.exit, 65);
  EXPECT_THAT(ran.err, HasSubstr("'copying' is not JSON"));
  EXPECT_THAT(ran.err, HasSubstr("--string"));
  EXPECT_EQ(metadata(), "{\"n\":1,\"list\":[1,2,1]}\n");
}

TEST_F(Update, SetThroughAPath) {
  ASSERT_EQ(cairn({"set", "r", "$.list.1", "9"}).exit, 0);
  EXPECT_EQ(cairn({"get", "r", "$.list.1"}).out, "9\n");
  EXPECT_EQ(cairn({"set", "r", "$.a.__proto__", "9"}).exit, 65);
  const Ran ran = cairn({"set", "r", "$.nowhere.deep", "9"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("no such parent"));
}

TEST_F(Update, AppendRemoveAndDel) {
  ASSERT_EQ(cairn({"append", "r", "list", "[3]"}).exit, 0);
  ASSERT_EQ(cairn({"append", "r", "fresh", "--string", "x"}).exit, 0);
  ASSERT_EQ(cairn({"remove", "r", "list", "1"}).exit, 0);
  ASSERT_EQ(cairn({"del", "r", "n"}).exit, 0);
  EXPECT_EQ(metadata(), "{\"list\":[2,[3]],\"fresh\":[\"x\"]}\n");
}

TEST_F(Update, RemoveWithoutAListEndsWith1) {
  const Ran ran = cairn({"remove", "r", "n", "1", "--json"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.error()["code"], "UNAPPLIED");
  EXPECT_EQ(ran.error()["key"], "n");
  EXPECT_EQ(cairn({"remove", "r", "nothing", "1"}).exit, 1);
}

TEST_F(Update, WhatChangesNothingIsDoneAndSaysSo) {
  EXPECT_EQ(cairn({"del", "r", "nothing", "--json"}).parsed()["outcome"], "unchanged");
  EXPECT_EQ(cairn({"remove", "r", "list", "77", "--json"}).parsed()["outcome"], "unchanged");
  EXPECT_EQ(cairn({"set", "r", "n", "1", "--json"}).parsed()["outcome"], "applied");
}

TEST_F(Update, IncrementTakesNegativeNumbersInEveryNotation) {
  ASSERT_EQ(cairn({"increment", "r", "n"}).exit, 0);
  ASSERT_EQ(cairn({"increment", "r", "n", "10"}).exit, 0);
  ASSERT_EQ(cairn({"increment", "r", "n", "--", "-3"}).exit, 0);
  ASSERT_EQ(cairn({"increment", "r", "n", "--by", "-3"}).exit, 0);
  ASSERT_EQ(cairn({"increment", "r", "n", "-2"}).exit, 0);
  EXPECT_EQ(cairn({"get", "r", "n"}).out, "4\n");
  ASSERT_EQ(cairn({"increment", "r", "n", "0.5"}).exit, 0);
  EXPECT_EQ(cairn({"get", "r", "n"}).out, "4.5\n");
}

TEST_F(Update, IncrementByNoNumberEndsWith65) {
  EXPECT_EQ(cairn({"increment", "r", "n", "much"}).exit, 65);
  EXPECT_EQ(cairn({"increment", "r", "n", "\"1\""}).exit, 65);
  EXPECT_EQ(cairn({"increment", "r", "n", "1", "--by", "2"}).exit, 64);
}

TEST_F(Update, OverTheLimitChangesNothingAndTellsTheSizes) {
  const std::string large = "\"" + std::string(4096, 'x') + "\"";
  const Ran ran = cairn({"set", "r", "big", large, "--json"});
  EXPECT_EQ(ran.exit, 65);
  EXPECT_EQ(ran.error()["code"], "TOO_LARGE");
  EXPECT_EQ(ran.error()["limit"], 4096);
  EXPECT_EQ(ran.error()["needed"], 4096 + 2 + std::string(R"({"n":1,"list":[1,2,1],"big":})").size());
  EXPECT_EQ(metadata(), "{\"n\":1,\"list\":[1,2,1]}\n");
  EXPECT_EQ(cairn({"set", "r", "big", large, "--limit", "8192"}).exit, 0);
  environment_ = {"TASK_RUN_METADATA_MAXIMUM_SIZE=8192"};
  EXPECT_EQ(cairn({"set", "r", "n", "2"}).exit, 0);
  environment_ = {"TASK_RUN_METADATA_MAXIMUM_SIZE=lots"};
  const Ran bad = cairn({"set", "r", "n", "2"});
  EXPECT_EQ(bad.exit, 64);
  EXPECT_THAT(bad.err, HasSubstr("TASK_RUN_METADATA_MAXIMUM_SIZE"));
}

TEST_F(Update, AnIndexFarBehindTheListSaysWhatIsTooLarge) {
  for (const char* path : {"$.list.3000", "$.list.99999"}) {
    const Ran ran = cairn({"set", "r", path, "1", "--json"});
    EXPECT_EQ(ran.exit, 65) << path;
    EXPECT_EQ(ran.error()["code"], "TOO_LARGE");
    EXPECT_THAT(ran.error()["message"].get<std::string>(), HasSubstr("more nulls or copies than fit"));
    EXPECT_FALSE(ran.error().contains("needed")) << "nobody counted";
  }
  const Ran evaluated = bare(
      {"eval", "--document", R"({"l":[1,2]})", "--operations", R"([{"type":"set","key":"$.l.9999999","value":1}])"});
  EXPECT_EQ(evaluated.exit, 65);
  EXPECT_THAT(evaluated.err, HasSubstr("more nulls or copies than fit"));
  const Ran key = cairn({"set", "r", std::string(5000, 'k'), "1"});
  EXPECT_EQ(key.exit, 65);
  EXPECT_THAT(key.err, ::testing::Not(HasSubstr("nulls")));
  EXPECT_EQ(metadata(), "{\"n\":1,\"list\":[1,2,1]}\n");
}

TEST_F(Update, ThatIsRefusedNamesRunAndKey) {
  const std::string long_key(5000, 'k');
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"set", "r", "loss", "NaN"},
           {"set", "r", "loss", "1e999"},
           {"set", "r", "loss", "\xff", "--string"},
           {"set", "r", "loss", '"' + std::string(5000, 'x') + '"'},
           {"set", "r", "__proto__", "1"},
           {"append", "r", "loss", "Infinity"},
           {"remove", "r", "loss", "1"},
           {"increment", "r", "loss", "NaN"},
           {"increment", "r", "loss", "true"},
           {"set", "nobody", "loss", "1"},
       }) {
    const std::string named = "run \"" + line[1] + "\", key \"" + line[2] + "\": ";
    EXPECT_THAT(cairn(line).err, ::testing::StartsWith("cairn: " + named)) << line[0] << " " << line[3].substr(0, 9);
    std::vector<std::string> json = line;
    json.push_back("--json");
    const Json error = cairn(json).error();
    EXPECT_EQ(error["id"], line[1]);
    EXPECT_EQ(error["key"], line[2]);
  }
  EXPECT_THAT(cairn({"set", "r", long_key, "1"}).err, HasSubstr(long_key.substr(0, 64) + "...\": "));
  EXPECT_THAT(
      cairn({"apply", "r"}, R"([{"type":"increment","key":"n","value":1},{"type":"set","key":"__proto__","value":1}])")
          .err,
      ::testing::StartsWith("cairn: nothing was applied: run \"r\", key \"__proto__\": operation 1"));
  ASSERT_EQ(cairn({"finish", "r"}).exit, 0);
  EXPECT_THAT(cairn({"finish", "r"}).err, ::testing::StartsWith("cairn: run \"r\": the run is finished"));
  EXPECT_THAT(cairn({"set", "r", "loss", "1"}).err,
              ::testing::StartsWith("cairn: run \"r\", key \"loss\": the run is"));
}

TEST_F(Update, OfNoRunEndsWith1) {
  const Ran ran = cairn({"set", "nobody", "k", "1"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("`cairn ls`"));
}

TEST_F(Update, OfADirectoryWithoutAStoreMakesNone) {
  const Ran ran = bare({"set", "r", "k", "1", "--store", path("other")});
  EXPECT_EQ(ran.exit, 65);
  EXPECT_THAT(ran.err, HasSubstr("no store at " + path("other")));
  EXPECT_NE(access(path("other").c_str(), F_OK), 0);
}

class Finish : public Update {};

TEST_F(Finish, EndsTheRunForGood) {
  EXPECT_EQ(cairn({"finish", "r"}).exit, 0);
  EXPECT_EQ(cairn({"start", "--id", "broken"}).exit, 0);
  EXPECT_EQ(cairn({"finish", "broken", "--error", "no space left on /data"}).exit, 0);
  EXPECT_THAT(cairn({"show", "broken"}).out,
              ::testing::AllOf(::testing::HasSubstr("FAILED"), ::testing::HasSubstr("no space left on /data")));
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"set", "r", "n", "2"}, {"del", "r", "n"}, {"increment", "r", "n"}, {"finish", "r"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 1) << line[0];
    EXPECT_THAT(ran.err, HasSubstr("finished")) << line[0];
  }
  const Json shown = cairn({"show", "r", "--json"}).parsed();
  EXPECT_EQ(shown["status"], "COMPLETED");
  EXPECT_EQ(shown["orphaned"], false);
  EXPECT_EQ(shown["metadata"]["n"], 1);
}

TEST_F(Finish, WithAnotherStatus) {
  EXPECT_EQ(cairn({"finish", "r", "--status", "EXECUTING"}).exit, 64);
  EXPECT_EQ(cairn({"finish", "r", "--status", "NONSENSE"}).exit, 64);
  EXPECT_EQ(cairn({"finish", "r", "--status", "FAILED", "--json"}).parsed()["status"], "FAILED");
}

// A run that was triggered waits for a worker: the store's, and no process's.
TEST_F(Update, ARunThatWaitsIsChangedAndGoesOnWaiting) {
  {
    engine::StoreOptions options;
    options.directory = store();
    auto opened = engine::Store::open(std::move(options));
    ASSERT_TRUE(opened.ok()) << engine::error_text(opened.status());
    engine::StartOptions waits;
    waits.id = "q";
    waits.status = engine::RunStatus::kQueued;
    ASSERT_TRUE((*opened)->start(waits).ok());
    ASSERT_TRUE((*opened)->close(0).ok());
  }
  EXPECT_EQ(cairn({"set", "q", "k", "1"}).exit, 0);
  const Json shown = cairn({"show", "q", "--json"}).parsed();
  EXPECT_EQ(shown["status"], "QUEUED");
  EXPECT_EQ(shown["metadata"].dump(), R"({"k":1})");
  EXPECT_EQ(cairn({"finish", "q"}).exit, 0);
  EXPECT_EQ(cairn({"show", "q", "--json"}).parsed()["status"], "COMPLETED");
}

class Erase : public Update {};

TEST_F(Erase, RemovesTheRunAndFreesItsId) {
  EXPECT_EQ(cairn({"erase", "r"}).exit, 0);
  EXPECT_EQ(cairn({"get", "r"}).exit, 1);
  EXPECT_EQ(cairn({"erase", "r"}).exit, 1);
  started("r", R"({"again":true})");
  EXPECT_EQ(metadata(), "{\"again\":true}\n");
}

TEST_F(Erase, OfSeveralSaysHowManyAndWaitsForYes) {
  started("a");
  started("b");
  Ran ran = cairn({"erase", "a", "b"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "2 runs; --yes erases them\n");
  EXPECT_EQ(cairn({"get", "a"}).exit, 0);
  EXPECT_EQ(cairn({"erase", "a", "none", "b", "--yes"}).exit, 1);
  EXPECT_EQ(cairn({"get", "a"}).exit, 0) << "one that is not there: none is erased";
  EXPECT_EQ(cairn({"erase", "a", "b", "--yes"}).out, "2 runs erased\n");
  EXPECT_EQ(cairn({"get", "a"}).exit, 1);
  EXPECT_EQ(cairn({"get", "b"}).exit, 1);
  EXPECT_EQ(cairn({"get", "r"}).exit, 0);
}

TEST_F(Erase, ByFiltersTakesThoseThatLsLists) {
  for (const char* id : {"a", "b", "c", "d"}) {
    started(id, std::string(R"({"k":")") + id + "\"}");
  }
  EXPECT_EQ(cairn({"finish", "a"}).exit, 0);
  EXPECT_EQ(cairn({"finish", "b"}).exit, 0);
  EXPECT_EQ(cairn({"finish", "c", "--status", "FAILED"}).exit, 0);
  EXPECT_EQ(cairn({"erase", "--status", "COMPLETED", "--json"}).parsed()["matching_runs"], 2);
  EXPECT_EQ(cairn({"erase", "--status", "COMPLETED", "--text", "\"b\"", "--yes", "--json"}).out,
            "{\"id\":\"b\",\"outcome\":\"erased\"}\n");
  EXPECT_EQ(cairn({"erase", "--status", "COMPLETED", "--status", "FAILED", "--since", "1h", "--yes"}).out,
            "2 runs erased\n");
  EXPECT_EQ(cairn({"erase", "--until", "1h", "--yes"}).out, "0 runs erased\n");
  const Ran left = cairn({"ls", "--order", "id", "--json"});
  ASSERT_EQ(left.lines().size(), 2u);
  EXPECT_EQ(left.lines()[0]["id"], "d");
  EXPECT_EQ(left.lines()[1]["id"], "r");
}

TEST_F(Erase, WithoutAFilterItTakesNone) {
  for (const std::vector<std::string>& line : {std::vector<std::string>{"erase"},
                                               {"erase", "--yes"},
                                               {"erase", "--status", "NONE", "--yes"},
                                               {"erase", "--since", "then", "--yes"},
                                               {"erase", "r", "--status", "EXECUTING", "--yes"},
                                               {"erase", "--task", "", "--yes"}}) {
    EXPECT_EQ(cairn(line).exit, 64) << line.back();
  }
  EXPECT_EQ(cairn({"get", "r"}).exit, 0);
}

}  // namespace
}  // namespace cairn::tests
