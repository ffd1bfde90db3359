// Every command's --json output against tools/json.schema.json.
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/cli/command_fixture.h"
#include "tests/support/json_schema.h"
#include "tools/commands/commands.h"
#include "tools/input/command_line.h"

namespace cairn::tests {
namespace {

class JsonOutput : public CommandTest {
 protected:
  /// Runs the command with --json: the fixture judges each line of both outputs.
  std::vector<Json> lines_of(std::vector<std::string> words, const std::string& input = {}) {
    seen_.insert(words[0]);
    std::string what;
    for (const std::string& word : words) {
      what += word + " ";
    }
    words.emplace_back("--json");
    const Ran ran = cairn(words, input);
    EXPECT_FALSE(ran.out.empty() && ran.err.empty()) << what;
    return ran.lines();
  }
  Json line_of(const std::vector<std::string>& words, const std::string& input = {}) {
    const std::vector<Json> all = lines_of(words, input);
    EXPECT_EQ(all.size(), 1u) << words[0];
    return all.empty() ? Json() : all[0];
  }

  std::set<std::string> seen_;
};

TEST_F(JsonOutput, OfEveryCommandFitsTheSchema) {
  std::filesystem::create_directory(path("slots"));
  const std::string user = R"({"sequence":7,"lsn":1,"id":2,"deep":{"base":3},"list":[1]})";
  EXPECT_EQ(line_of({"start", "--id", "r", "--task", "t", "--tag", "a", "--metadata", user})["sequence"], "1");
  lines_of({"start", "--id", "child", "--parent", "r"});
  lines_of({"start", "--id", "r"});  // EXISTS
  EXPECT_EQ(line_of({"start", "--resume", "--id", "r"})["metadata"]["lsn"], 1);
  EXPECT_EQ(line_of({"resume", "r"})["id"], "r");
  const Json set = line_of({"set", "r", "n", "1"});
  EXPECT_EQ(set["id"], "r");
  EXPECT_EQ(set["outcome"], "applied");
  EXPECT_TRUE(set["sequence"].is_string());
  lines_of({"set", "r", "big", "--string", std::string(5000, 'x')});  // TOO_LARGE
  lines_of({"append", "r", "list", "2"});
  lines_of({"remove", "r", "list", "2"});
  lines_of({"increment", "r", "n"});
  lines_of({"del", "r", "n"});
  lines_of({"apply", "r"}, R"([{"type":"set","key":"a","value":1},{"type":"remove","key":"no","value":1}])");
  const Json parts = line_of({"apply", "--atomic", "r", "child"}, R"([{"type":"set","key":"a","value":1}])")["parts"];
  EXPECT_EQ(parts[0]["id"], "child");
  EXPECT_EQ(line_of({"get", "r", "deep"}), Json::parse(R"({"value":{"base":3}})"));
  EXPECT_EQ(line_of({"get", "r"})["value"]["sequence"], 7) << "metadata is the user's";
  lines_of({"get", "r", "no"});
  const Json shown = line_of({"show", "r"});
  EXPECT_EQ(shown["metadata"]["lsn"], 1);
  EXPECT_EQ(shown["children"], 1);
  EXPECT_TRUE(shown.contains("metadata_bytes"));
  lines_of({"ls", "--limit", "1"});
  lines_of({"finish", "child", "--error", "lost"});
  lines_of({"watch", "--until-finished", "child"});
  lines_of({"dump"});
  lines_of({"verify"});
  lines_of({"repair"});
  lines_of({"stats"});
  std::filesystem::copy(store(), path("slots/slot-000"), std::filesystem::copy_options::recursive);
  EXPECT_TRUE(line_of({"slots", path("slots")}).contains("orphaned_runs"));
  EXPECT_TRUE(line_of({"why", "r"})["acknowledged_sequence"].is_null()) << "there is no upstream";
  lines_of({"sync"});
  lines_of({"sync", "--via-folder", directory_.path()});
  lines_of({"serve", "--via-folder", directory_.path() + "/none"});
  lines_of({"backup", directory_.path() + "/copy"});
  lines_of({"import"}, R"({"id":"late","metadata":{}})");
  EXPECT_EQ(line_of({"export", "r"})["metadata"]["lsn"], 1);
  lines_of({"eval", "--operations", "[]"});
  lines_of({"sim", "--seed", "7", "--actions", "20"});
  lines_of({"help"});
  lines_of({"help", "set"});
  EXPECT_EQ(line_of({"erase", "r"})["outcome"], "erased");
  lines_of({"bench", "--dir", directory_.path() + "/none"});
  tools::CommandLine line;
  tools::add_all(line);
  for (const tools::CommandText& command : line.describe().commands) {
    EXPECT_TRUE(seen_.count(command.name) != 0) << command.name;
  }
}

TEST_F(JsonOutput, DamageFitsTheSchema) {
  started("r");
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(cairn({"set", "r", "n", std::to_string(i)}).exit, 0);
  }
  for (const auto& entry : std::filesystem::directory_iterator(store() + "/wal")) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0x2008);
    file.write("spoiled!", 8);
  }
  lines_of({"verify"});
  lines_of({"repair"});
  lines_of({"dump"});
  lines_of({"ls"});
  lines_of({"repair", "--yes"});
}

TEST(JsonSchema, RefusesWhatDoesNotFit) {
  const JsonSchema schema(Json::parse(std::ifstream(CAIRN_JSON_SCHEMA)));
  EXPECT_EQ(schema.mismatch(Json::parse(R"({"id":"r","sequence":"1","metadata":{"sequence":1}})")), "");
  for (const char* bad : {R"({"run_id":"r"})", R"({"sequence":1})", R"({"created_at":"today"})", R"([])", R"({"id":1})",
                          R"({"parts":[{"sequence":1}]})", R"({"first_lsn":3})"}) {
    EXPECT_NE(schema.mismatch(Json::parse(bad)), "") << bad;
  }
}

}  // namespace
}  // namespace cairn::tests
