// tools/cairn.bash, asked as bash asks it.
#include <cstdio>
#include <filesystem>

#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Completion : public CommandTest {
 protected:
  /// What the last of `words` (behind "cairn") is completed to, one a line.
  std::string complete(const std::vector<std::string>& words) {
    std::ofstream script(path("ask"));
    script << "source " << std::filesystem::path(CAIRN_JSON_SCHEMA).parent_path().string()
           << "/cairn.bash\nCOMP_WORDS=('" CAIRN_COMMAND "'";
    for (const std::string& word : words) {
      script << " '" << word << "'";
    }
    script << ")\nCOMP_CWORD=" << words.size() << "\n_cairn 2>&1\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
    script.close();
    FILE* bash = popen(("CAIRN_STORE=" + store() + " bash --norc -u " + path("ask")).c_str(), "r");
    std::string all = "\n";
    char chunk[4096];
    for (size_t got = 0; (got = fread(chunk, 1, sizeof chunk, bash)) > 0;) {
      all.append(chunk, got);
    }
    EXPECT_EQ(pclose(bash), 0);
    return all;
  }
};

TEST_F(Completion, OfCommands) {
  EXPECT_EQ(complete({"fin"}), "\nfinish\n");
  EXPECT_EQ(complete({"--json", "--store", "x", "ev"}), "\neval\n");
  EXPECT_THAT(complete({""}), HasSubstr("\nbackup\n"));
}

TEST_F(Completion, OfOptionsIsTheCommandsOwn) {
  const std::string of_start = complete({"start", "--"});
  for (const char* option : {"--id", "--task", "--tag", "--metadata", "--help", "--store", "--json"}) {
    EXPECT_THAT(of_start, HasSubstr("\n" + std::string(option) + "\n"));
  }
  EXPECT_THAT(of_start, Not(HasSubstr("--atomic")));
  EXPECT_EQ(complete({"apply", "--at"}), "\n--atomic\n");
}

TEST_F(Completion, OfRunIdsWhereARunIsMeant) {
  started("run_a");
  started("run_b");
  started("other");
  EXPECT_EQ(complete({"show", "run_"}), "\nrun_a\nrun_b\n");
  EXPECT_EQ(complete({"set", "--limit", "9", "run_b"}), "\nrun_b\n");
  EXPECT_EQ(complete({"apply", "--atomic", "run_a", "other", "run_"}), "\nrun_a\nrun_b\n") << "any number of them";
  EXPECT_EQ(complete({"get", "run_a", "run_"}), "\n\n") << "a key is meant";
  EXPECT_EQ(complete({"show", "--store", path("none"), "run_"}), "\n\n");
}

// Readline gives ':' as a word of its own, and replaces what stands behind it.
TEST_F(Completion, OfRunIdsWithColonsAndDots) {
  started("pod-7.web");
  started("2026-01-31T12:05");
  started("2026-01-31T12:06");
  EXPECT_EQ(complete({"show", "pod-7."}), "\npod-7.web\n");
  EXPECT_EQ(complete({"show", "2026"}), "\n2026-01-31T12:05\n2026-01-31T12:06\n");
  EXPECT_EQ(complete({"show", "2026-01-31T12", ":"}), "\n05\n06\n");
  EXPECT_EQ(complete({"show", "2026-01-31T12", ":", "0"}), "\n05\n06\n");
  EXPECT_EQ(complete({"apply", "2026-01-31T12", ":", "05", "pod"}), "\npod-7.web\n");
}

TEST_F(Completion, OfKeysIsOfTheRunThatIsNamed) {
  started("run_a", R"({"progress":0.5,"phase":{"inner":1},"pages":[1,{"deep":2}],"a b":1,"$x":2,"q\"":3})");
  started("run_b", R"({"other":1})");
  EXPECT_EQ(complete({"get", "run_a", "p"}), "\nprogress\nphase\npages\n");
  EXPECT_EQ(complete({"set", "--limit", "9", "run_a", ""}), "\nprogress\nphase\npages\n")
      << "not those that the shell would take apart";
  EXPECT_EQ(complete({"del", "run_b", "o"}), "\nother\n");
  EXPECT_EQ(complete({"get", "none", "p"}), "\n\n");
}

TEST_F(Completion, OfTopicsAndOfValues) {
  EXPECT_EQ(complete({"help", "dur"}), "\ndurability\n");
  EXPECT_EQ(complete({"help", "sho"}), "\nshow\n");
  EXPECT_EQ(complete({"ls", "--status", "ex"}), "\nEXECUTING\nEXPIRED\n");
  EXPECT_EQ(complete({"finish", "run", "--status", "ex"}), "\nEXPIRED\n") << "only what ends a run";
  EXPECT_EQ(complete({"ls", "--order", ""}), "\nnewest\noldest\nid\n");
  EXPECT_THAT(complete({"ls", "--store", directory_.path() + "/"}), Not(HasSubstr("ask"))) << "directories only";
  EXPECT_EQ(complete({"dump", "--lsn", "x"}), "\n\n");
}

}  // namespace
}  // namespace cairn::tests
