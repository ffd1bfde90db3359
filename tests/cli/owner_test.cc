// Beside a live owner, and behind a killed one.
#include <signal.h>
#include <sys/prctl.h>

#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class LiveOwner : public CommandTest {
 protected:
  void SetUp() override {
    open();
    run_ = start("live");
    set(run_, "progress", "0.25");
  }
  engine::RunRef run_;
};

TEST_F(LiveOwner, ReadersSeeEveryAcknowledgedUpdate) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(set(run_, "n", std::to_string(i)), Code::kOk);
    EXPECT_EQ(cairn({"get", "live", "n"}).out, std::to_string(i) + "\n");
  }
  const Json shown = cairn({"show", "live", "--json"}).parsed();
  EXPECT_EQ(shown["orphaned"], false);
  EXPECT_EQ(shown["sequence"], "7");
  EXPECT_EQ(cairn({"ls", "--json"}).lines().at(0)["metadata"]["progress"], 0.25);
  EXPECT_EQ(cairn({"stats", "--json"}).parsed()["owner_pid"], getpid());
  EXPECT_EQ(cairn({"verify"}).exit, 0);
  EXPECT_THAT(cairn({"dump"}).out, HasSubstr("progress = 0.25"));
}

TEST_F(LiveOwner, DumpShowsWhatIsStaged) {
  bool found = false;
  for (const Json& line : cairn({"dump", "--staging", "--json"}).lines()) {
    found = found || (line["kind"] == "slot" && line["id"] == "live" && line["state"] == "taken" &&
                      line.dump().find("\"progress\"") != std::string::npos);
  }
  EXPECT_TRUE(found);
}

TEST_F(LiveOwner, EveryWritingCommandIsBusyAndNamesTheOwner) {
  const std::string operations = R"([{"type":"set","key":"a","value":1}])";
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{{"start"},
                                                                                    {"set", "live", "a", "1"},
                                                                                    {"append", "live", "a", "1"},
                                                                                    {"remove", "live", "a", "1"},
                                                                                    {"increment", "live", "a"},
                                                                                    {"del", "live", "a"},
                                                                                    {"apply", "live"},
                                                                                    {"apply", "live", "--atomic"},
                                                                                    {"finish", "live"},
                                                                                    {"erase", "live"}}) {
    const Ran ran = cairn(line, operations);
    EXPECT_EQ(ran.exit, 78) << line[0] << ": " << ran.err;
    EXPECT_EQ(ran.out, "") << line[0];
    EXPECT_THAT(ran.err, HasSubstr("process " + std::to_string(getpid()))) << line[0];
    EXPECT_THAT(ran.err, HasSubstr("reading works meanwhile")) << line[0];
  }
  const Json error = cairn({"set", "live", "a", "1", "--json"}).error();
  EXPECT_EQ(error["code"], "BUSY");
  EXPECT_EQ(error["owner_pid"], getpid());
  EXPECT_EQ(error["owner_alive"], true);
  EXPECT_EQ(error["exit"], 78);
  EXPECT_EQ(cairn({"get", "live"}).out, "{\"progress\":0.25}\n");
}

TEST_F(LiveOwner, AfterItClosedTheCommandTakesOver) {
  run_.reset();
  close();
  EXPECT_EQ(cairn({"increment", "live", "n"}).exit, 0);
  open();
  EXPECT_EQ(cairn({"get", "live"}).out, "{\"progress\":0.25,\"n\":1}\n");
}

// A child process owns the store, updates it, says so, and is killed.
class KilledOwner : public CommandTest {
 protected:
  void SetUp() override {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      open();
      const engine::RunRef run = start("r");
      for (int i = 1; i <= 100; ++i) {
        set(run, "n", std::to_string(i));
      }
      if (::write(ready[1], "x", 1) == 1) {
        pause();
      }
      _exit(1);
    }
    char byte;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    ASSERT_EQ(kill(pid, SIGKILL), 0);
    ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  }
};

TEST_F(KilledOwner, LosesNothingAndIsNoDamage) {
  const Json shown = cairn({"show", "r", "--json"}).parsed();
  EXPECT_EQ(shown["sequence"], "101");
  EXPECT_EQ(shown["orphaned"], true);
  EXPECT_EQ(shown["status"], "EXECUTING");
  EXPECT_EQ(shown["metadata"]["n"], 100);
  EXPECT_EQ(cairn({"stats", "--json"}).parsed()["owner_pid"], nullptr);
  const Ran verified = cairn({"verify"});
  EXPECT_EQ(verified.exit, 0) << verified.out;
}

TEST_F(KilledOwner, TheNextCommandTakesItsRunsUp) {
  EXPECT_EQ(cairn({"increment", "r", "n", "--json"}).parsed()["sequence"], "103") << "one for the resume, one for this";
  EXPECT_EQ(metadata(), "{\"n\":101}\n");
  EXPECT_EQ(cairn({"finish", "r"}).exit, 0);
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

}  // namespace
}  // namespace cairn::tests
