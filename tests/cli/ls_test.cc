#include "tests/cli/command_fixture.h"
#include "tools/input/time_argument.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class Ls : public CommandTest {
 protected:
  void start(const std::string& id, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"start", "--id", id});
    const Ran ran = cairn(more);
    ASSERT_EQ(ran.exit, 0) << ran.err;
  }
  /// By id, unless the filter has another order.
  std::string ids(std::vector<std::string> filter) {
    if (std::find(filter.begin(), filter.end(), "--order") == filter.end()) {
      filter.insert(filter.end(), {"--order", "id"});
    }
    filter.insert(filter.begin(), {"ls", "--json"});
    const Ran ran = cairn(filter);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    std::string all;
    next_.clear();
    for (const Json& line : ran.lines()) {
      EXPECT_TRUE(next_.empty()) << "the cursor is the last line";
      next_ = line.value("next_cursor", "");
      all += line.contains("id") ? line["id"].get<std::string>() + " " : "";
    }
    return all;
  }
  std::string next_;
};

TEST_F(Ls, TheNewestComesFirstAndOrphansAreMarked) {
  started("a");
  started("r", R"({"progress":0.5})");
  started("s");
  cairn({"finish", "s"});
  const Ran ran = cairn({"ls"});
  EXPECT_THAT(ran.out, MatchesRegex("ID +STATUS +TASK +PROGRESS +UPDATED\n"
                                    "s +COMPLETED +[0-9]+ s ago\n"
                                    "r +EXECUTING \\(orphaned\\) +\\[#####\\.\\.\\.\\.\\.\\]  50 % +[0-9]+ s ago\n"
                                    "a +EXECUTING \\(orphaned\\) +[0-9]+ s ago\n"));
  const std::vector<Json> lines = cairn({"ls", "--json", "--order", "oldest"}).lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["id"], "a");
  EXPECT_EQ(lines[1]["metadata"]["progress"], 0.5);
  EXPECT_EQ(lines[2]["status"], "COMPLETED");
}

TEST_F(Ls, Filters) {
  start("t1", {"--task", "copy", "--tag", "x", "--tag", "y"});
  start("t2", {"--task", "copy", "--tag", "x", "--parent", "t1", "--metadata", R"({"note":"Out of Memory"})"});
  start("t3", {"--task", "move", "--tag", "y", "--parent", "t2"});
  cairn({"finish", "t3", "--status", "FAILED"});
  EXPECT_EQ(ids({}), "t1 t2 t3 ");
  EXPECT_EQ(ids({"--task", "copy"}), "t1 t2 ");
  EXPECT_EQ(ids({"--tag", "x", "--tag", "y"}), "t1 ");
  EXPECT_EQ(ids({"--status", "failed"}), "t3 ");
  EXPECT_EQ(ids({"--status", "FAILED", "--status", "EXECUTING"}), "t1 t2 t3 ");
  EXPECT_EQ(ids({"--task", "none"}), "");
  EXPECT_EQ(ids({"--parent", "t1"}), "t2 ");
  EXPECT_EQ(ids({"--root", "t1"}), "t2 t3 ");
  EXPECT_EQ(ids({"--text", "out of MEMORY"}), "t2 ");
  EXPECT_EQ(ids({"--since", "1h"}), "t1 t2 t3 ");
  EXPECT_EQ(ids({"--until", "1h"}), "");
  EXPECT_EQ(ids({"--until", "2999-01-01"}), "t1 t2 t3 ");
  EXPECT_EQ(ids({"--since", "2999-01-01T00:00Z"}), "");
}

TEST_F(Ls, PagesGoOnByTheCursorThatTheyPrint) {
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    started(id);
  }
  EXPECT_EQ(ids({"--limit", "2", "--since", "1h"}), "a b ");
  ASSERT_FALSE(next_.empty());
  EXPECT_EQ(ids({"--limit", "3", "--since", "1h", "--cursor", next_}), "c d e ");
  EXPECT_EQ(next_, "");

  const Ran page = cairn({"ls", "--limit", "4"});
  EXPECT_THAT(page.out, MatchesRegex("ID(.|\n)*\nb [^\n]*\nmore: the same with --cursor [a-z0-9_-]+\n"));
  const std::string cursor = page.out.substr(page.out.rfind(' ') + 1, page.out.size() - page.out.rfind(' ') - 2);
  const Ran rest = cairn({"ls", "--limit", "4", "--cursor", cursor});
  EXPECT_THAT(rest.out, MatchesRegex("ID[^\n]*\na [^\n]*\n"));
  const Ran other = cairn({"ls", "--limit", "4", "--task", "t", "--cursor", cursor});
  EXPECT_EQ(other.exit, 64);
  EXPECT_THAT(other.err, HasSubstr("list from the start"));
}

TEST_F(Ls, WhatCannotBeAskedSaysWhatCan) {
  started("a");
  for (const auto& [line, hint] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"ls", "--status", "SLEEPING"}, "EXECUTING"},
           {{"ls", "--since", "yesterday"}, "10m"},
           {{"ls", "--until", "2026-02-30"}, "2026-11-24"},
           {{"ls", "--order", "size"}, "newest, oldest and id"},
           {{"ls", "--parent", "no id"}, "run id"},
           {{"ls", "--since", "1h", "--until", "2h"}, "ends before it begins"},
           {{"ls", "--limit", "many"}, "--limit"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 64) << line.back();
    EXPECT_THAT(ran.err, HasSubstr(hint));
    EXPECT_EQ(ran.out, "");
  }
}

TEST_F(Ls, ShowCountsTheChildren) {
  start("mother");
  start("one", {"--parent", "mother"});
  start("two", {"--parent", "mother"});
  start("grandchild", {"--parent", "one"});
  EXPECT_EQ(cairn({"show", "mother", "--json"}).parsed()["children"], 2);
  EXPECT_EQ(cairn({"show", "two", "--json"}).parsed()["children"], 0);
  EXPECT_THAT(cairn({"show", "mother"}).out, HasSubstr("children  2 (cairn ls --parent mother)\n"));
  EXPECT_THAT(cairn({"show", "two"}).out, Not(HasSubstr("children")));
}

TEST(TimeArgument, IsATimeInUtcOrAnAge) {
  constexpr int64_t kNow = 1'800'000'000'000'000;
  const auto at = [](const char* text) { return tools::parse_time(text, kNow); };
  EXPECT_EQ(at("0s"), kNow);
  EXPECT_EQ(at("90s"), kNow - 90'000'000);
  EXPECT_EQ(at("10m"), kNow - 600'000'000);
  EXPECT_EQ(at("2h"), kNow - 7'200'000'000);
  EXPECT_EQ(at("3d"), kNow - 259'200'000'000);
  EXPECT_EQ(at("1970-01-02"), 86'400'000'000);
  EXPECT_EQ(at("1970-01-01T00:01"), 60'000'000);
  EXPECT_EQ(at("1970-01-01 00:01"), 60'000'000);
  EXPECT_EQ(at("1970-01-01T00:00:02"), 2'000'000);
  EXPECT_EQ(at("1970-01-01T00:00:02Z"), 2'000'000);
  EXPECT_EQ(at("1970-01-01T00:00:02.250Z"), 2'250'000);
  EXPECT_EQ(at("1969-12-31T23:59:59.999Z"), -1'000);
  for (const char* text : {"", "m", "10", "10y", "-1h", "1.5h", "9999999999s", "2026-13-01", "2026-02-30", "2026-1-1",
                           "2026-01-01T", "2026-01-01T25:00", "2026-01-01T00:00:00+01:0", "Z", "now"}) {
    EXPECT_EQ(at(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace cairn::tests
