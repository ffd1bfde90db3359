#include <fstream>

#include "tests/cli/command_fixture.h"
#include "tools/commands/commands.h"
#include "tools/help/topics.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kCommands[] = {"start", "resume", "set",    "append", "remove", "increment", "del",    "apply",
                                     "get",   "show",   "ls",     "finish", "erase",  "backup",    "export", "import",
                                     "dump",  "verify", "repair", "stats",  "slots",  "bench",     "eval",   "help",
                                     "watch", "sync",   "serve",  "why",    "sim"};

class Help : public CommandTest {};

TEST_F(Help, ListsEveryCommandTheExitCodesAndTheEnvironment) {
  const Ran ran = bare({"--help"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.err, "");
  for (const char* command : kCommands) {
    EXPECT_THAT(ran.out, HasSubstr("\n  " + std::string(command) + " "));
  }
  for (const char* code : {" 0", " 1", "64", "65", "70", "73", "74", "75", "76", "77", "78"}) {
    EXPECT_THAT(ran.out, HasSubstr("\n  " + std::string(code) + "  "));
  }
  EXPECT_THAT(ran.out, HasSubstr("CAIRN_STORE"));
  EXPECT_THAT(ran.out, HasSubstr("TASK_RUN_METADATA_MAXIMUM_SIZE"));
}

TEST_F(Help, OfEachCommandHasItsUsageAndAnExample) {
  for (const char* command : kCommands) {
    const Ran ran = bare({command, "--help"});
    EXPECT_EQ(ran.exit, 0) << command;
    EXPECT_THAT(ran.out, HasSubstr("Usage: cairn " + std::string(command)));
    EXPECT_THAT(ran.out, HasSubstr("Example")) << command;
    EXPECT_THAT(ran.out, HasSubstr("\n  cairn " + std::string(command))) << command;
    EXPECT_THAT(ran.out, HasSubstr("--store DIR"));
    EXPECT_EQ(ran.err, "");
  }
}

TEST_F(Help, FitsATerminalOf100Columns) {
  std::vector<std::string> texts = {bare({"--help"}).out};
  for (const char* command : kCommands) {
    texts.push_back(bare({command, "--help"}).out);
  }
  for (const std::string& text : texts) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      EXPECT_LE(line.size(), 100u) << line;
    }
  }
}

// No line over 100 columns, and none that ends early: half a line in the middle of a paragraph is a lost line end.
TEST_F(Help, TextsFillTheirLines) {
  tools::CommandLine line;
  tools::add_all(line);
  const tools::LineText all = line.describe();
  std::vector<std::string> texts = {all.about, all.notes};
  for (const tools::CommandText& command : all.commands) {
    texts.push_back(command.notes);
  }
  for (const tools::HelpTopic& topic : tools::help_topics()) {
    texts.push_back(topic.text());
  }
  for (const std::string& text : texts) {
    std::istringstream in(text);
    std::string before;
    for (std::string now; std::getline(in, now); before = now) {
      EXPECT_LE(now.size(), 100u) << now;
      const bool goes_on = !now.empty() && now[0] != ' ' && !before.empty() && before[0] != ' ' && before.back() != ':';
      EXPECT_FALSE(goes_on && before.size() < 75) << before << "\n" << now;
    }
  }
}

TEST_F(Help, ExplainsEveryTopicThatItLists) {
  const std::string list = bare({"help"}).out;
  for (const char* topic : {"durability", "exit-codes", "json", "operations", "paths", "store", "man"}) {
    EXPECT_THAT(list, HasSubstr("\n  " + std::string(topic) + " "));
    const Ran ran = bare({"help", topic});
    EXPECT_EQ(ran.exit, 0) << topic;
    EXPECT_GE(std::count(ran.out.begin(), ran.out.end(), '\n'), 8) << topic;
    EXPECT_EQ(bare({"help", topic, "--json"}).parsed()["text"], ran.out) << topic;
    std::istringstream in(ran.out);
    for (std::string line; std::getline(in, line) && topic != std::string("man");) {
      EXPECT_LE(line.size(), 100u) << line;
    }
  }
  EXPECT_THAT(bare({"help", "exit-codes"}).out, HasSubstr("\n  78  busy"));
}

TEST_F(Help, OfACommandIsWhatItsHelpOptionPrints) {
  for (const char* command : kCommands) {
    EXPECT_EQ(bare({"help", command}).out, bare({command, "--help"}).out) << command;
  }
  const Ran none = bare({"help", "nothing"});
  EXPECT_EQ(none.exit, 64);
  EXPECT_THAT(none.err, HasSubstr("no topic or command 'nothing' (see `cairn help`)"));
}

// What `cairn help paths` says of paths holds.
TEST_F(Help, PathsAreAsItSays) {
  const Ran ran = bare({"eval", "--document", R"({"list":[1,2,3,4],"a":{"x":1,"b.c":3}})", "--operations",
                        R"([{"type":"set","key":"$.list.[1:3]","value":0},{"type":"increment","key":"$.a.*","value":1},
                            {"type":"set","key":"$.a.b\\.c","value":9},{"type":"set","key":"$.none.x","value":7}])"});
  EXPECT_EQ(ran.parsed()["metadata"].dump(), R"({"list":[1,0,0,4],"a":{"x":2,"b.c":9}})");
  EXPECT_EQ(ran.parsed()["outcomes"][3], "unapplied(no such parent)");
}

TEST_F(Help, TheManualPageRendersWithoutWarnings) {
  std::ofstream(path("cairn.1")) << bare({"help", "man"}).out;
  const std::string render =
      "groff -man -Tutf8 -ww " + path("cairn.1") + " > " + path("page") + " 2> " + path("warnings");
  EXPECT_EQ(std::system(render.c_str()), 0);  // NOLINT(cert-env33-c, concurrency-mt-unsafe): one thread
  EXPECT_EQ(read_file(path("warnings")), "");
  for (const char* command : kCommands) {
    EXPECT_THAT(read_file(path("page")), HasSubstr("cairn " + std::string(command))) << command;
  }
}

TEST_F(Help, VersionIsPrinted) {
  const Ran ran = bare({"--version"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.out, StartsWith("cairn 0."));
}

TEST_F(Help, WrongLinesEndWith64AndSayWhereToLook) {
  EXPECT_EQ(bare({}).exit, 64);
  EXPECT_THAT(bare({}).err, HasSubstr("no command given (see `cairn --help`)"));
  const Ran typo = bare({"finsh", "r"});
  EXPECT_EQ(typo.exit, 64);
  EXPECT_THAT(typo.err, HasSubstr("did you mean 'finish'?"));
  EXPECT_THAT(bare({"frobnicate"}).err, HasSubstr("there is no command 'frobnicate'"));
  const Ran missing = cairn({"set", "r", "key"});
  EXPECT_EQ(missing.exit, 64);
  EXPECT_THAT(missing.err, HasSubstr("JSON is required (see `cairn set --help`)"));
  EXPECT_EQ(cairn({"ls", "--frobnicate"}).exit, 64);
  EXPECT_EQ(cairn({"get", "r", "k", "more"}).exit, 64);
  EXPECT_EQ(bare({"ls"}).exit, 64);
  EXPECT_THAT(bare({"ls"}).err, HasSubstr("--store DIR or set CAIRN_STORE"));
  EXPECT_EQ(bare({"ls"}).out, "");
}

TEST_F(Help, UsageErrorsAreJsonToo) {
  const Ran ran = bare({"ls", "--json"});
  EXPECT_EQ(ran.exit, 64);
  EXPECT_EQ(ran.error()["code"], "USAGE");
  EXPECT_EQ(ran.error()["exit"], 64);
  EXPECT_EQ(bare({"--json", "set", "r"}).error()["code"], "USAGE");
}

TEST_F(Help, StoreComesFromTheEnvironmentUnlessGiven) {
  started();
  environment_ = {"CAIRN_STORE=" + store()};
  EXPECT_EQ(bare({"get", "r"}).out, "{}\n");
  environment_ = {"CAIRN_STORE=/nonexistent"};
  EXPECT_EQ(cairn({"get", "r"}).out, "{}\n");
  EXPECT_EQ(bare({"get", "r", "--store", store()}).out, "{}\n") << "globals may stand behind the command";
}

}  // namespace
}  // namespace cairn::tests
