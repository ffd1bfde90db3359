#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class Read : public CommandTest {
 protected:
  void SetUp() override { started("r", R"({"progress":0.5,"text":"a\nb","deep":{"list":[{"x":1}]}})"); }
};

TEST_F(Read, GetPrintsTheValueOfAKeyAPathOrAll) {
  EXPECT_EQ(cairn({"get", "r"}).out, "{\"progress\":0.5,\"text\":\"a\\nb\",\"deep\":{\"list\":[{\"x\":1}]}}\n");
  EXPECT_EQ(cairn({"get", "r", "progress"}).out, "0.5\n");
  EXPECT_EQ(cairn({"get", "r", "text"}).out, "\"a\\nb\"\n");
  EXPECT_EQ(cairn({"get", "r", "text", "--string"}).out, "a\nb\n");
  EXPECT_EQ(cairn({"get", "r", "$.deep.list.0.x"}).out, "1\n");
  EXPECT_EQ(cairn({"get", "r", "deep", "--string"}).out, "{\"list\":[{\"x\":1}]}\n");
}

TEST_F(Read, GetOfAMissingKeyOrRunEndsWith1AndPrintsNothing) {
  for (const std::vector<std::string>& line :
       std::vector<std::vector<std::string>>{{"get", "r", "none"}, {"get", "r", "$.deep.none"}, {"get", "nobody"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 1) << line.back();
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, HasSubstr("cairn: "));
  }
  EXPECT_EQ(cairn({"get", "r", "none", "--json"}).error()["code"], "NOT_FOUND");
  EXPECT_EQ(cairn({"get", "nobody", "--json"}).error()["code"], "NO_SUCH_RUN");
}

TEST_F(Read, ShowHasHeadAndMetadata) {
  const Ran ran = cairn({"show", "r"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.out, HasSubstr("status    EXECUTING, orphaned"));
  EXPECT_THAT(ran.out, HasSubstr("progress  [###############...............]  50 %"));
  EXPECT_THAT(ran.out, HasSubstr("sequence  1\n"));
  EXPECT_THAT(ran.out, HasSubstr("  \"deep\": {\n    \"list\": [\n      {\n        \"x\": 1\n"));
  EXPECT_THAT(ran.out, HasSubstr("created   20"));
}

TEST_F(Read, ShowAsJsonHasTheSameAndTimesInUtc) {
  const Json run = cairn({"show", "r", "--json"}).parsed();
  EXPECT_EQ(run["id"], "r");
  EXPECT_EQ(run["orphaned"], true);
  EXPECT_THAT(run["created_at"].get<std::string>(),
              MatchesRegex("20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9:]{8}\\.[0-9]{3}Z"));
  EXPECT_EQ(run["metadata_bytes"], cairn({"get", "r"}).out.size() - 1);
  EXPECT_FALSE(run.contains("finished_at"));
  EXPECT_EQ(run["metadata"]["deep"]["list"][0]["x"], 1);
}

TEST_F(Read, StoredTextCannotDriveTheTerminal) {
  cairn({"start", "--id", "evil", "--task", "\x1b]0;owned\x07", "--tag",
         "\xC2\x9B"
         "31m",
         "--metadata", R"({"progress":2,"t":"\u001b[31m","u":"\u009b31m","v\u202e":"\u2066x"})"});
  for (const Ran& ran : {cairn({"show", "evil"}), cairn({"ls"}), cairn({"dump"})}) {
    EXPECT_THAT(ran.out, Not(HasSubstr("\x1b")));
    EXPECT_THAT(ran.out, Not(HasSubstr("\xC2\x9B")));
    EXPECT_THAT(ran.out, Not(HasSubstr("\xE2\x80\xAE")));
    EXPECT_THAT(ran.out, Not(HasSubstr("\xE2\x81\xA6")));
  }
  EXPECT_THAT(cairn({"show", "evil"}).out, HasSubstr("\\x1b]0;owned\\x07"));
  EXPECT_THAT(cairn({"show", "evil"}).out, Not(HasSubstr("progress  ["))) << "2 is no share";
}

TEST_F(Read, StatsCountRunsAndBytes) {
  started("s");
  cairn({"finish", "s"});
  const Json stats = cairn({"stats", "--json"}).parsed();
  EXPECT_EQ(stats["runs"], 2);
  EXPECT_EQ(stats["orphaned_runs"], 1);
  EXPECT_EQ(stats["runs_by_status"], Json::parse(R"({"COMPLETED":1,"EXECUTING":1})"));
  EXPECT_EQ(stats["owner_pid"], nullptr);
  EXPECT_EQ(stats["last_lsn"], stats["applied_lsn"]) << "closed cleanly";
  EXPECT_EQ(stats["store_id"].get<std::string>().size(), 32u);
  EXPECT_GT(stats["wal_bytes"], 0);
  EXPECT_GT(stats["tables_bytes"], 0);
  const Ran text = cairn({"stats"});
  EXPECT_THAT(text.out, HasSubstr("owner        none"));
  EXPECT_THAT(text.out, HasSubstr("runs         2, 1 COMPLETED, 1 EXECUTING (1 orphaned)"));
}

TEST_F(Read, NothingIsWrittenByReadingCommands) {
  const std::string state = cairn({"dump", "--json"}).out;
  for (const char* command : {"ls", "stats", "verify", "dump"}) {
    EXPECT_EQ(cairn({command}).exit, 0) << command;
  }
  EXPECT_EQ(cairn({"dump", "--json"}).out, state);
}

TEST_F(Read, DumpShowsRecordsTablesAndSlots) {
  cairn({"increment", "r", "n", "3"});
  std::vector<std::string> kinds;
  Json increment;
  for (const Json& line : cairn({"dump", "--json"}).lines()) {
    kinds.push_back(line["kind"]);
    if (line.value("type", "") == "diff") {
      increment = line;
    }
  }
  EXPECT_THAT(kinds, ::testing::IsSupersetOf({"segment", "record", "log", "staging", "tables", "run"}));
  EXPECT_EQ(increment["id"], "r");
  EXPECT_EQ(increment["diff"]["entries"], Json::parse(R"([{"key":"n","form":"increment","delta":3,"value":3}])"));
  EXPECT_GT(increment["offset"], 0);
  const Ran text = cairn({"dump"});
  EXPECT_THAT(text.out, HasSubstr("n += 3 -> 3"));
  EXPECT_THAT(text.out, HasSubstr("closed cleanly"));
}

TEST_F(Read, DumpOfARangeOfTheLog) {
  cairn({"set", "r", "a", "1"});
  const auto lsns = [this](const std::string& range) {
    std::string all;
    for (const Json& line : cairn({"dump", "--wal", "--json", "--lsn", range}).lines()) {
      if (line["kind"] == "record") {
        all += line["lsn"].get<std::string>() + " ";
      }
    }
    return all;
  };
  EXPECT_EQ(lsns("1..2"), "1 2 ");
  EXPECT_EQ(lsns("2.."), "2 3 ");
  EXPECT_EQ(lsns("..1"), "1 ");
  EXPECT_EQ(lsns("3"), "3 ");
  EXPECT_EQ(cairn({"dump", "--lsn", "3..1"}).exit, 64);
  EXPECT_EQ(cairn({"dump", "--lsn", "x"}).exit, 64);
  EXPECT_THAT(cairn({"dump", "--wal"}).out, Not(HasSubstr("tables")));
}

}  // namespace
}  // namespace cairn::tests
