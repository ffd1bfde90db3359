#include <signal.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class BackupCommand : public CommandTest {
 protected:
  [[nodiscard]] std::string copy() const { return directory_.path() + "/copy"; }
  Ran on_copy(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--store", copy()});
    return bare(arguments);
  }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      found.push_back(entry.path().filename());
    }
    return found;
  }
};

TEST_F(BackupCommand, CopiesBesideALiveOwner) {
  open();
  const engine::RunRef run = start("live");
  set(run, "progress", "0.25");
  const Ran ran = cairn({"backup", copy()});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, "1 run copied, as of LSN 1\n");
  set(run, "progress", "0.5");
  EXPECT_EQ(on_copy({"get", "live"}).out, "{\"progress\":0.25}\n");
  EXPECT_EQ(on_copy({"verify"}).exit, 0);
  EXPECT_EQ(on_copy({"show", "live", "--json"}).parsed()["orphaned"], true);
  EXPECT_EQ(on_copy({"set", "live", "progress", "1"}).exit, 0);
  EXPECT_EQ(metadata("live"), "{\"progress\":0.5}\n");
}

TEST_F(BackupCommand, SaysAsJsonWhatItMade) {
  started("a");
  const Json said = cairn({"backup", copy(), "--json"}).parsed();
  EXPECT_EQ(said["target"], copy());
  EXPECT_EQ(said["runs"], 1);
  const std::string id = said["store_id"];
  EXPECT_EQ(id.size(), 32u);
  EXPECT_THAT(on_copy({"stats"}).out, HasSubstr(id));
}

TEST_F(BackupCommand, RefusesATargetThatIsThere) {
  started("a");
  ASSERT_EQ(mkdir(copy().c_str(), 0700), 0);
  const Ran ran = cairn({"backup", copy(), "--json"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.error()["code"], "EXISTS");
  EXPECT_THAT(ran.error()["message"].get<std::string>(), HasSubstr("is there already"));
  EXPECT_TRUE(std::filesystem::is_empty(copy()));
  EXPECT_EQ(cairn({"backup", store() + "/inside"}).exit, 64);
  EXPECT_EQ(cairn({"backup", path("none/copy")}).exit, 74);
  EXPECT_EQ(bare({"backup", copy(), "--store", path("none")}).exit, 65);
}

TEST_F(BackupCommand, CtrlCLeavesNothing) {
  open();
  for (int i = 0; i < 20'000; ++i) {
    start("r" + std::to_string(i));
  }
  close();
  const std::vector<std::string> before = names();
  const pid_t pid = spawn({"backup", copy()}, "/dev/null");
  // It is at work once its unfinished copy is there.
  bool begun = false;
  for (int i = 0; i < 5000 && !begun; ++i) {
    usleep(1000);
    for (const std::string& name : names()) {
      begun = begun || name.starts_with("copy.backup-");
    }
  }
  ASSERT_TRUE(begun);
  kill(pid, SIGINT);
  const Ran ran = wait_for(pid);
  EXPECT_EQ(ran.signal, SIGINT);
  EXPECT_THAT(ran.err, HasSubstr("interrupted"));
  EXPECT_FALSE(std::filesystem::exists(copy()));
  for (const std::string& name : names()) {
    EXPECT_THAT(name, ::testing::Not(HasSubstr("backup")));
  }
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

}  // namespace
}  // namespace cairn::tests
