#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kCommands[] = {"start",  "set",  "append", "remove", "increment", "del",    "apply",
                                     "get",    "show", "ls",     "finish", "erase",     "backup", "export",
                                     "import", "dump", "verify", "stats",  "slots",     "eval"};

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

TEST_F(Help, ExamplesFitATerminalOf120Columns) {
  std::vector<std::string> texts = {bare({"--help"}).out};
  for (const char* command : kCommands) {
    texts.push_back(bare({command, "--help"}).out);
  }
  for (const std::string& text : texts) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      EXPECT_LE(line.size(), 120u) << line;
    }
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
