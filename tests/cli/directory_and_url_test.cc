// Each command does on the URL of a server what it does on a directory: the same output, the same words of errors, the
// same exit codes.
#ifdef CAIRN_TOOLS_NETWORK

#include <regex>

#include "tests/cli/server_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

/// One line of the script.
struct Line {
  std::vector<std::string> words;
  std::string input = {};
};

std::string shown(const Line& line) {
  std::string out;
  for (const std::string& word : line.words) {
    out += (out.empty() ? "" : " ") + word.substr(0, 60);
  }
  return out;
}

std::string replaced(const std::string& text, const char* pattern, const char* by) {
  return std::regex_replace(text, std::regex(pattern), by);
}

/// Without what differs by nature: ids and times that were made, tokens and cursors; how many times a run was taken up
/// (each command on a directory is a process of its own), and that its process is gone; and whose limit it is.
std::string same(std::string text) {
  text = replaced(text, "run_[0-9a-z]{26}", "RUN-ID");
  text = replaced(text, "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z", "TIME");
  text = replaced(text, "_us\":[0-9]{16}", "_us\":TIME");
  text = replaced(text, "[0-9]+ (ms|s|min) ago", "AGO");
  text = replaced(text, "now\\)", "AGO)");
  text = replaced(text, "\"(sequence|token|next_cursor)\":\"[^\"]*\"", "\"$1\":X");
  text = replaced(text, "\"orphaned\":(true|false)", "\"orphaned\":X");
  text = replaced(text, "sequence( +)[0-9]+", "sequence$1X");
  text = replaced(text, "--cursor [^ \n]+", "--cursor X");
  text = replaced(text, " \\(orphaned\\)|, orphaned: the process that ran it is gone; resume it or finish it", "");
  text = replaced(text, "STATUS +", "STATUS  ");
  text = replaced(text, "(EXECUTING|COMPLETED|FAILED|CANCELED|QUEUED) +", "$1 ");
  return replaced(text, "; (--limit or TASK_RUN_METADATA_MAXIMUM_SIZE|`cairn serve --limit` on the server) allows more",
                  "");
}

class DirectoryAndUrl : public ServerTest {
 protected:
  void make_both(const std::vector<Line>& lines) {
    for (const Line& line : lines) {
      ASSERT_EQ(on(path("dir"), line).exit, 0) << shown(line);
    }
    std::filesystem::copy(path("dir"), path("up"), std::filesystem::copy_options::recursive);
    url_ = "http://" + serve("up");
  }
  Ran on(const std::string& store, const Line& line) {
    std::vector<std::string> words = line.words;
    words.insert(words.begin(), {"--store", store});
    return bare(words, line.input);
  }
  void expect_same(const Line& line) {
    const Ran directory = on(path("dir"), line);
    const Ran url = on(url_, line);
    EXPECT_EQ(url.exit, directory.exit) << shown(line) << "\n" << url.err << directory.err;
    EXPECT_EQ(same(url.out), same(directory.out)) << shown(line);
    EXPECT_EQ(same(url.err), same(directory.err)) << shown(line);
  }
  /// With --json and without.
  void expect_both(const Line& line) {
    expect_same(line);
    Line json = line;
    json.words.emplace_back("--json");
    expect_same(json);
  }

  std::string url_;
};

const std::string kDeep = std::string(200, '[') + std::string(200, ']');
const std::string kBroad = "\"" + std::string(5000, 'x') + "\"";

TEST_F(DirectoryAndUrl, RunsAreStartedTakenUpAndEnded) {
  make_both({{{"start", "--id", "left", "--task", "old"}},
             {{"start", "--id", "child", "--parent", "elsewhere"}},
             {{"apply", "--atomic"}, R"({"id":"child","parentOperations":[{"type":"set","key":"k","value":1}]})"}});
  for (const Line& line : std::vector<Line>{
           {{"start"}},
           {{"start", "--id", "a", "--task", "backup", "--tag", "y", "--tag", "x", "--metadata",
             R"({"n":1,"l":[1.5]})"}},
           {{"start", "--id", "a"}},
           {{"start", "--id", "left"}},
           {{"start", "--id", "left", "--resume"}},
           {{"start", "--id", "b", "--parent", "a", "--resume"}},
           {{"start", "--id", "c", "--parent", "b"}},
           {{"start", "--resume"}},
           {{"start", "--id", ".x"}},
           {{"start", "--id", "d", "--parent", "d"}},
           {{"start", "--id", "d", "--parent", "no id"}},
           {{"start", "--id", "d", "--metadata", "[1]"}},
           {{"start", "--id", "d", "--metadata", "{"}},
           {{"start", "--id", "d", "--metadata", R"({"a":NaN})"}},
           {{"start", "--id", "d", "--metadata", R"({"a":1e999})"}},
           {{"start", "--id", "d", "--metadata", R"({"a":)" + kDeep + "}"}},
           {{"start", "--id", "d", "--metadata", R"({"a":)" + kBroad + "}"}},
           {{"start", "--id", "d", "--metadata", "{\"a\":\"\xff\"}"}},
           {{"start", "--id", "d", "--metadata", R"({"$.constructor.x":1})"}},
           {{"start", "--id", "d", "--task", "\xff"}},
           {{"start", "--id", "d", "--task", std::string(2000, 't')}},
           {{"start", "--id", "d", "--tag", "\xc3"}},
           {{"start", "--id", "d", "--tag", std::string(600, 't')}},
           {{"resume", "a"}},
           {{"resume", "none"}},
           {{"resume", ".x"}},
           {{"finish", "b"}},
           {{"finish", "b"}},
           {{"finish", "none"}},
           {{"finish", "elsewhere"}},
           {{"resume", "elsewhere"}},
           {{"finish", "c", "--error", "no \"space\"\n"}},
           {{"finish", "a", "--error", std::string(5000, 'e')}},
           {{"finish", "a", "--error", "\xff"}},
           {{"finish", "a", "--status", "WAITING"}},
           {{"finish", "a", "--status", "CANCELED"}},
           {{"resume", "b"}},
           {{"start", "--id", "b"}},
           {{"start", "--id", "b", "--resume"}},
           {{"erase", "none"}},
           {{"erase", "c"}},
           {{"erase", "c"}},
           {{"start", "--id", "d", "--tag", "old", "--metadata", R"({"k":"text"})"}},
           {{"start", "--id", "e", "--tag", "old"}},
           {{"start", "--id", "f", "--tag", "old"}},
           {{"erase"}},
           {{"erase", "--tag", "old"}},
           {{"erase", "--tag", "none", "--yes"}},
           {{"erase", "--tag", "old", "--text", "TEXT", "--yes"}},
           {{"erase", "d", "e"}},
           {{"erase", "e", "none", "f", "--yes"}},
           {{"ls", "--order", "id"}},
           {{"erase", "e", "f"}},
           {{"erase", "--tag", "old", "--since", "1h"}},
           {{"erase", "e", "f", "--yes"}},
           {{"erase", "--until", "1h", "--yes"}},
           {{"ls", "--order", "id"}},
       }) {
    expect_both(line);
  }
}

TEST_F(DirectoryAndUrl, KeysAreChanged) {
  make_both({{{"start", "--id", "r", "--metadata", R"({"n":1,"l":[1,2],"t":"x"})"}},
             {{"start", "--id", "done"}},
             {{"finish", "done"}},
             {{"start", "--id", "child", "--parent", "elsewhere"}}});
  for (const Line& line : std::vector<Line>{
           {{"set", "r", "a", "1.5"}},
           {{"set", "r", "a", "1.5"}},
           {{"set", "r", "big", "9007199254740993"}},
           {{"set", "r", "text", "--string", "\"quoted\" \xc3\xa9"}},
           {{"set", "r", "", "null"}},
           {{"set", "r", "$.l.0", "{\"b\":[]}"}},
           {{"set", "r", "$.t.x", "1"}},
           {{"set", "r", "$.none.x", "1"}},
           {{"set", "r", "$.", "1"}},
           {{"set", "r", "__proto__", "1"}},
           {{"set", "r", "$.constructor.x", "1"}},
           {{"set", "r", "\xff", "1"}},
           {{"set", "r", std::string(5000, 'k'), "1"}},
           {{"set", "r", "k", "word"}},
           {{"set", "r", "k", ""}},
           {{"set", "r", "k", "NaN"}},
           {{"set", "r", "k", "-1e400"}},
           {{"set", "r", "k", kDeep}},
           {{"set", "r", "k", kBroad}},
           {{"set", "r", "k", "\"\xff\""}},
           {{"set", "r", "k", "--string", "\xff"}},
           {{"set", "none", "k", "1"}},
           {{"set", "no id", "k", "1"}},
           {{"set", "done", "k", "1"}},
           {{"set", "elsewhere", "k", "1"}},
           {{"append", "r", "l", "3"}},
           {{"append", "r", "new", "--string", "x"}},
           {{"append", "r", "t", "1"}},
           {{"append", "none", "l", "1"}},
           {{"remove", "r", "l", "3"}},
           {{"remove", "r", "l", "99"}},
           {{"remove", "r", "t", "1"}},
           {{"remove", "r", "none", "1"}},
           {{"increment", "r", "n"}},
           {{"increment", "r", "n", "--", "-0.5"}},
           {{"increment", "r", "t"}},
           {{"increment", "r", "l"}},
           {{"increment", "r", "n", "x"}},
           {{"del", "r", "a"}},
           {{"del", "r", "a"}},
           {{"del", "r", "$.l.7"}},
           {{"del", "done", "a"}},
           {{"get", "r"}},
           {{"show", "r"}},
       }) {
    expect_both(line);
  }
}

TEST_F(DirectoryAndUrl, OperationsFromStdin) {
  make_both({{{"start", "--id", "a", "--metadata", R"({"n":1})"}},
             {{"start", "--id", "b", "--parent", "a", "--metadata", R"({"n":1})"}},
             {{"start", "--id", "child", "--parent", "elsewhere"}},
             {{"start", "--id", "done"}},
             {{"finish", "done"}}});
  const std::string mixed = R"([{"type":"increment","key":"n","value":1},{"type":"remove","key":"x","value":1},
      {"type":"delete","key":"y"},{"type":"append","key":"l","value":{"a":[1]}}])";
  const std::string stops = R"([{"type":"set","key":"k","value":1},{"type":"set","key":"b","value":)" + kBroad +
                            R"(},{"type":"set","key":"c","value":1}])";
  const std::string one = R"([{"type":"increment","key":"n","value":1}])";
  for (const Line& line : std::vector<Line>{
           {{"apply", "a"}, mixed},
           {{"apply", "a"}, stops},
           {{"apply", "a"}, "[]"},
           {{"apply", "a"}, "{}"},
           {{"apply", "a"}, ""},
           {{"apply", "a"}, R"([{"type":"set","key":"k"}])"},
           {{"apply", "a"}, R"([{"type":"set","key":"__proto__","value":1}])"},
           {{"apply", "a"}, R"([{"type":"update","value":{"n":1,"z":null}}])"},
           {{"apply", "none"}, one},
           {{"apply", "done"}, one},
           {{"apply", "elsewhere"}, one},
           {{"apply", "a", "b"}, one},
           {{"apply"}, one},
           {{"apply", "--atomic", "a"}, one},
           {{"apply", "--atomic", "a"}, mixed},
           {{"apply", "--atomic", "a"}, stops},
           {{"apply", "--atomic", "a"}, "[]"},
           {{"apply", "--atomic", "a", "b"}, one},
           {{"apply", "--atomic", "a", "none"}, one},
           {{"apply", "--atomic", "a", "done"}, one},
           {{"apply", "--atomic", "a", "b"}, stops},
           {{"apply", "--atomic"},
            R"({"id":"b","operations":)" + one + R"(,"parentOperations":)" + one + R"(,"rootOperations":)" + one +
                "}\n" + R"({"id":"child","parentOperations":)" + one + "}\n"},
           {{"apply", "--atomic"},
            R"({"id":"a","operations":)" + one + "}\n" +
                R"({"id":"b","operations":[{"type":"remove","key":"x","value":1}]})"},
           {{"apply", "--atomic"},
            R"({"id":"a","operations":)" + one + "}\n" +
                R"({"id":"b","rootOperations":[{"type":"remove","key":"x","value":1}]})"},
           {{"apply", "--atomic"}, R"({"id":"a"})"},
           {{"get", "a"}},
           {{"get", "b"}},
       }) {
    expect_both(line);
  }
}

TEST_F(DirectoryAndUrl, RunsOfOtherStoresAreReadByWhereTheyCameFrom) {
  const std::string folder = path("folder");
  std::filesystem::create_directories(folder);
  for (const char* id : {"sent", "ended"}) {
    ASSERT_EQ(on(path("worker"), {{"start", "--id", id}}).exit, 0);
  }
  ASSERT_EQ(on(path("worker"), {{"finish", "ended"}}).exit, 0);
  EXPECT_EQ(on(path("worker"), {{"sync", "--via-folder", folder}}).exit, 75);
  ASSERT_EQ(on(path("dir"), {{"serve", "--via-folder", folder}}).exit, 0);
  make_both({{{"start", "--id", "own"}}});
  const std::string id = on(path("worker"), {{"stats", "--json"}}).parsed()["store_id"];
  EXPECT_THAT(on(path("dir"), {{"ls", "--from", id}}).out, HasSubstr("sent"));
  for (const Line& line : std::vector<Line>{{{"show", "sent"}},
                                            {{"show", "ended"}},
                                            {{"ls", "--order", "id"}},
                                            {{"ls", "--from", id, "--order", "id"}},
                                            {{"ls", "--from", id.substr(0, 5), "--limit", "1"}},
                                            {{"ls", "--from", id, "--status", "COMPLETED"}},
                                            {{"ls", "--from", id.substr(0, 3)}},
                                            {{"ls", "--from", "no-host"}},
                                            {{"ls", "--from", ""}}}) {
    expect_both(line);
  }
  EXPECT_EQ(on(path("dir"), {{"ls", "--from", ""}}).exit, 64);
}

TEST_F(DirectoryAndUrl, RunsAreRead) {
  make_both(
      {{{"start", "--id", "a", "--task", "backup", "--tag", "y", "--tag", "x", "--metadata",
         R"({"progress":0.25,"deep":{"list":[1,{"k":"v"}]},"text":"line\nline \u001b[1m","n":9007199254740993})"}},
       {{"start", "--id", "b", "--task", "restore", "--parent", "a"}},
       {{"start", "--id", "c", "--task", "backup", "--parent", "b", "--tag", "x"}},
       {{"finish", "c", "--error", "out of memory"}},
       {{"start", "--id", "d"}},
       {{"finish", "d"}},
       {{"start", "--id", "child", "--parent", "elsewhere"}},
       {{"apply", "--atomic"}, R"({"id":"child","parentOperations":[{"type":"set","key":"k","value":1}]})"}});
  for (const Line& line : std::vector<Line>{
           {{"get", "a"}},
           {{"get", "a", "progress"}},
           {{"get", "a", "text", "--string"}},
           {{"get", "a", "n"}},
           {{"get", "a", "$.deep.list.1.k"}},
           {{"get", "a", "$.deep.none"}},
           {{"get", "a", "$.["}},
           {{"get", "a", "none"}},
           {{"get", "a", ""}},
           {{"get", "none"}},
           {{"get", "no id"}},
           {{"get", "elsewhere"}},
           {{"show", "a"}},
           {{"show", "b"}},
           {{"show", "c"}},
           {{"show", "elsewhere"}},
           {{"show", "none"}},
           {{"ls"}},
           {{"ls", "--order", "id"}},
           {{"ls", "--order", "oldest"}},
           {{"ls", "--order", "age"}},
           {{"ls", "--status", "FAILED", "--status", "completed"}},
           {{"ls", "--status", "GONE"}},
           {{"ls", "--task", "backup", "--tag", "x"}},
           {{"ls", "--tag", "x", "--tag", "y"}},
           {{"ls", "--parent", "a"}},
           {{"ls", "--root", "a"}},
           {{"ls", "--parent", "no id"}},
           {{"ls", "--since", "1h"}},
           {{"ls", "--until", "1h"}},
           {{"ls", "--since", "2026-01-01T00:00:00Z", "--until", "2025-01-01"}},
           {{"ls", "--since", "soon"}},
           {{"ls", "--text", "OUT OF"}},
           {{"ls", "--text", "line"}},
           {{"ls", "--limit", "2"}},
           {{"ls", "--limit", "2", "--cursor", "wrong"}},
           {{"why", "a"}},
           {{"why", "c"}},
           {{"why", "none"}},
           {{"export"}},
           {{"export", "a", "d"}},
           {{"export", "a", "none"}},
           {{"sync", "--dead"}},
           {{"watch", "--until-finished", "c"}},
           {{"watch", "--until-finished", "d", "--plain"}},
           {{"watch", "none"}},
           {{"watch", "no id"}},
       }) {
    expect_both(line);
  }
}

TEST_F(DirectoryAndUrl, PagesOfAListGoOn) {
  std::vector<Line> starts;
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    starts.push_back({{"start", "--id", id}});
  }
  make_both(starts);
  std::string cursor;
  std::string seen;
  for (int page = 0; page < 3; ++page) {
    Line line{{"ls", "--json", "--limit", "2", "--order", "id"}};
    if (!cursor.empty()) {
      line.words.insert(line.words.end(), {"--cursor", cursor});
    }
    for (const Json& row : on(url_, line).lines()) {
      seen += row.value("id", "");
      cursor = row.value("next_cursor", "");
    }
  }
  EXPECT_EQ(seen, "abcde");
  EXPECT_EQ(cursor, "");
}

TEST_F(DirectoryAndUrl, AllOfAnExportComesBack) {
  make_both({{{"start", "--id", "a", "--tag", "z", "--metadata", R"({"n":[1,{"x":"y"}]})"}}});
  EXPECT_EQ(on(url_, {{"start", "--id", "b", "--parent", "a"}}).exit, 0);
  EXPECT_EQ(on(url_, {{"finish", "b"}}).exit, 0);
  const std::string there = on(url_, {{"export"}}).out;
  EXPECT_EQ(there, at("up", {"export"}).out) << "of the same store, by its directory";
  at("new", {"start", "--id", "other"});
  EXPECT_EQ(on(path("new"), {{"import"}, there}).exit, 0);
  EXPECT_EQ(at("new", {"export", "a", "b"}).out, there);
}

TEST_F(DirectoryAndUrl, WhatNeedsADirectorySaysSo) {
  make_both({{{"start", "--id", "a"}}});
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"verify"},
                                             {"repair"},
                                             {"dump", "log"},
                                             {"stats"},
                                             {"backup", path("copy")},
                                             {"import"},
                                             {"slots"},
                                             {"sync"},
                                             {"serve"},
                                             {"ls", "--salvage"},
                                             {"export", "--salvage"},
                                             {"set", "a", "k", "1", "--limit", "100"}}) {
    const Ran ran = on(url_, {words});
    EXPECT_EQ(ran.exit, 64) << words[0] << ran.err;
    EXPECT_EQ(ran.out, "") << words[0];
  }
  EXPECT_THAT(on(url_, {{"verify"}}).err, HasSubstr("run it where its directory is, with --store DIR"));
  EXPECT_THAT(on(path("dir"), {{"ls", "--token-file", "x"}}).err, HasSubstr("are for a server"));
}

}  // namespace
}  // namespace cairn::tests

#endif  // CAIRN_TOOLS_NETWORK
