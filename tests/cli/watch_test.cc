// `cairn watch`: lines, JSON, and a terminal.
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/cli/command_fixture.h"
#include "tools/output/watch_screen.h"

namespace cairn::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class WatchCommand : public CommandTest {
 protected:
  void SetUp() override {
    open();
    run_ = start("job");
    set(run_, "progress", "0.25");
  }
  void end(engine::RunStatus status) { ASSERT_TRUE(store_->finish(*run_, status).ok()); }
  pid_t watching(const std::vector<std::string>& arguments) { return spawn(arguments, "/dev/null"); }
  /// Until the output of a command that runs holds this.
  void wait_for_output(const std::string& text) {
    for (int i = 0; i < 2000 && read_file(path("out")).find(text) == std::string::npos; ++i) {
      std::this_thread::sleep_for(5ms);
    }
    ASSERT_THAT(read_file(path("out")), HasSubstr(text));
  }
  /// As wait_for, of a command that may wait for ever: killed after 20 s.
  Ran wait_in_time_for(pid_t pid) {
    siginfo_t ended{};
    for (int i = 0; i < 4000 && ended.si_pid == 0; ++i) {
      std::this_thread::sleep_for(5ms);
      waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT);
    }
    if (ended.si_pid == 0) {
      kill(pid, SIGKILL);
    }
    return wait_for(pid);
  }
  engine::RunRef run_;
};

TEST_F(WatchCommand, PrintsALineForEachChangeUntilTheRunIsFinished) {
  const pid_t pid = watching({"watch", "job", "--until-finished", "--interval", "20"});
  wait_for_output("progress=0.25");
  ASSERT_EQ(set(run_, "phase", "\"b\\u0007\""), Code::kOk);
  wait_for_output("phase=");
  ASSERT_EQ(apply(run_, R"({"type":"delete","key":"phase"})"), Code::kOk);
  wait_for_output("-phase");
  end(engine::RunStatus::kCompleted);
  const Ran ran = wait_for(pid);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, ContainsRegex("Z job EXECUTING progress=0.25\n"));
  EXPECT_THAT(ran.out, ContainsRegex("Z job phase=\"b.u0007\"\n"));
  EXPECT_THAT(ran.out, ContainsRegex("Z job -phase\n"));
  EXPECT_THAT(ran.out, ContainsRegex("Z job COMPLETED\n"));
}

TEST_F(WatchCommand, OfAStoreThatIsRemovedEndsWith65) {
  const pid_t pid = watching({"watch", "--interval", "20"});
  wait_for_output("progress=0.25");
  close();
  std::filesystem::remove_all(store());
  const Ran ran = wait_in_time_for(pid);
  EXPECT_EQ(ran.exit, 65);
  EXPECT_THAT(ran.err, HasSubstr("cairn: "));  // what it meets while it is being removed may be damage, too
}

TEST_F(WatchCommand, OfAStoreThatIsMadeAnewEndsWith65) {
  const pid_t pid = watching({"watch", "--interval", "20"});
  wait_for_output("progress=0.25");
  close();
  std::filesystem::rename(store(), store() + "-old");
  // Into files of its own: what the watch says between the two stands in the usual ones.
  const pid_t made = spawn({"start", "--id", "job"}, "/dev/null", true, path("start.out"), path("start.err"));
  EXPECT_EQ(waitpid(made, nullptr, 0), made);
  const Ran ran = wait_in_time_for(pid);
  EXPECT_EQ(ran.exit, 65);
  EXPECT_THAT(ran.err, HasSubstr(store()));  // or removed, if it looked in between
}

TEST_F(WatchCommand, ARunThatFailsOrIsErasedEndsWith1) {
  end(engine::RunStatus::kFailed);
  EXPECT_EQ(cairn({"watch", "job", "--until-finished"}).exit, 1);
  const engine::RunRef other = start("other");
  const pid_t pid = watching({"watch", "other", "--until-finished", "--interval", "20"});
  wait_for_output("other EXECUTING");
  ASSERT_TRUE(store_->erase("other").ok());
  const Ran ran = wait_for(pid);
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.out, HasSubstr("other erased\n"));
}

TEST_F(WatchCommand, ARunWhoseProcessIsKilledIsOrphanedOnceAndEndsWith1) {
  close();
  const pid_t owner = fork();
  if (owner == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    open();
    auto resumed = store_->resume("job");
    if (!resumed.ok() || set(*resumed, "progress", "0.5") != Code::kOk) {
      _exit(1);
    }
    while (true) {
      pause();
    }
  }
  for (const std::vector<std::string>& runs : std::vector<std::vector<std::string>>{{"watch", "job"}, {"watch"}}) {
    std::vector<std::string> line = runs;
    line.insert(line.end(), {"--until-finished", "--json", "--interval", "20"});
    const pid_t pid = watching(line);
    if (runs.size() == 2) {
      wait_for_output("\"progress\":0.5");
      ASSERT_EQ(kill(owner, SIGKILL), 0);
    }
    const Ran ran = wait_in_time_for(pid);
    EXPECT_EQ(ran.exit, 1) << ran.err;
    ASSERT_FALSE(ran.lines().empty());
    EXPECT_EQ(ran.lines().back()["kind"], "orphaned");
    EXPECT_EQ(ran.lines().back()["metadata"]["progress"], 0.5);
    EXPECT_EQ(ran.out.find("\"orphaned\",\"run"), ran.out.rfind("\"orphaned\",\"run")) << "told once";
  }
  ASSERT_EQ(waitpid(owner, nullptr, 0), owner);
  const pid_t pid = watching({"watch", "--plain", "--interval", "20"});
  wait_for_output("orphaned: its process is gone");
  open();
  auto resumed = store_->resume("job");
  ASSERT_TRUE(resumed.ok());
  set(*resumed, "progress", "0.75");
  wait_for_output("progress=0.75");
  kill(pid, SIGTERM);
  const Ran ran = wait_for(pid);
  EXPECT_EQ(ran.out.find("orphaned"), ran.out.rfind("orphaned")) << ran.out;
}

// The owner's death writes nothing: a watch of all runs that stands behind the log is told of it all the same.
TEST_F(WatchCommand, AWatchOfAllRunsIsToldWhenTheOwnerDies) {
  close();
  const pid_t owner = fork();
  if (owner == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    open();
    for (const char* id : {"a", "b"}) {
      if (set(start(id), "n", "1", engine::Durability::kPower) != Code::kOk) {
        _exit(1);
      }
    }
    if (!store_->finish(*find("b"), engine::RunStatus::kCompleted).ok()) {
      _exit(1);
    }
    while (true) {
      pause();
    }
  }
  const pid_t pid = watching({"watch", "--plain", "--interval", "20"});
  wait_for_output("b COMPLETED");
  std::this_thread::sleep_for(100ms);
  ASSERT_EQ(kill(owner, SIGKILL), 0);
  ASSERT_EQ(waitpid(owner, nullptr, 0), owner);
  wait_for_output("a orphaned");
  kill(pid, SIGTERM);
  EXPECT_THAT(wait_for(pid).out, Not(HasSubstr("Z b orphaned")));
}

TEST_F(WatchCommand, JsonLinesCarryMetadataAndATokenToGoOnFrom) {
  end(engine::RunStatus::kCompleted);
  const Ran first = cairn({"watch", "job", "--until-finished", "--json"});
  ASSERT_EQ(first.lines().size(), 1u) << first.out << first.err;
  const Json line = first.lines()[0];
  EXPECT_EQ(line["kind"], "finished");
  EXPECT_EQ(line["id"], "job");
  EXPECT_EQ(line["sequence"], "3");
  EXPECT_EQ(line["metadata"]["progress"], 0.25);
  const pid_t pid = watching({"watch", "job", "--json", "--interval", "20", "--token", line["token"]});
  std::this_thread::sleep_for(100ms);
  ASSERT_TRUE(store_->erase("job").ok());
  wait_for_output("\"erased\"");
  kill(pid, SIGTERM);
  const Ran ran = wait_for(pid);
  EXPECT_EQ(ran.signal, SIGTERM) << "as its parent expects";
  ASSERT_EQ(ran.lines().size(), 1u) << "what was told before is not told again";
  EXPECT_EQ(ran.lines()[0]["kind"], "erased");
}

TEST_F(WatchCommand, WrongRunsTokensAndIntervals) {
  EXPECT_EQ(cairn({"watch", "nobody"}).exit, 1);
  EXPECT_THAT(cairn({"watch", "nobody"}).err, HasSubstr("no such run"));
  EXPECT_EQ(cairn({"watch", "--token", "x"}).exit, 64);
  EXPECT_EQ(cairn({"watch", "--interval", "1"}).exit, 64);
}

/// The command in a terminal of its own.
class Terminal {
 public:
  Terminal(const std::vector<std::string>& arguments, unsigned short columns, unsigned short rows) {
    winsize size{};
    size.ws_col = columns;
    size.ws_row = rows;
    pid_ = forkpty(&fd_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      std::vector<char*> argv;
      for (const std::string& a : arguments) {
        argv.push_back(const_cast<char*>(a.c_str()));
      }
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  ~Terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    ::close(fd_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  /// What was written from here on until `text` comes.
  std::string until(const std::string& text) {
    std::string seen;
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (seen.find(text) == std::string::npos && std::chrono::steady_clock::now() < end) {
      pollfd wanted{fd_, POLLIN, 0};
      char bytes[4096];
      const ssize_t n = poll(&wanted, 1, 1000) == 1 ? ::read(fd_, bytes, sizeof bytes) : 0;
      if (n < 0) {
        break;  // the command has ended
      }
      seen.append(bytes, static_cast<size_t>(n));
    }
    EXPECT_THAT(seen, HasSubstr(text));
    return seen;
  }
  void resize(unsigned short columns, unsigned short rows) const {
    winsize size{};
    size.ws_col = columns;
    size.ws_row = rows;
    ioctl(fd_, TIOCSWINSZ, &size);
  }
  void press_ctrl_c() const { ASSERT_EQ(::write(fd_, "\x03", 1), 1); }
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
};

TEST_F(WatchCommand, ATerminalIsRedrawnInPlaceAndGetsItsCursorBack) {
  Terminal terminal({CAIRN_COMMAND, "--store", store(), "watch", "job", "--interval", "20"}, 80, 24);
  const std::string first = terminal.until("25 %");
  EXPECT_THAT(first, AllOf(HasSubstr("\x1b[?25l"), HasSubstr("job  EXECUTING"), HasSubstr("[######....")));
  ASSERT_EQ(set(run_, "progress", "0.5"), Code::kOk);
  const std::string second = terminal.until("50 %");
  EXPECT_THAT(second, HasSubstr("\x1b[2A")) << "up to the first line of the frame before";
  terminal.resize(30, 24);
  ASSERT_EQ(set(run_, "text", "\"" + std::string(200, 'x') + "\""), Code::kOk);
  const std::string narrow = terminal.until("xxx\u2026");
  EXPECT_THAT(narrow, Not(HasSubstr(std::string(30, 'x'))));
  terminal.press_ctrl_c();
  EXPECT_THAT(terminal.until("\x1b[?25h"), HasSubstr("\x1b[?25h"));
  const int status = terminal.wait();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

TEST_F(WatchCommand, ATerminalShowsAllRunsInATable) {
  for (const char* no_color : {"", "1"}) {
    setenv("NO_COLOR", no_color, 1);
    Terminal terminal({CAIRN_COMMAND, "--store", store(), "watch", "--interval", "20", "--status", "executing"}, 80,
                      24);
    const std::string first = terminal.until("progress=0.25");
    const std::string status = no_color[0] == '\0' ? "\x1b[36mEXECUTING\x1b[0m" : "EXECUTING";
    EXPECT_THAT(first, AllOf(HasSubstr("ID   STATUS "), HasSubstr("\njob  " + status + " ")));
    const engine::RunRef other = start("other" + std::string(no_color));
    terminal.until("other" + std::string(no_color));
    ASSERT_TRUE(store_->finish(*other, engine::RunStatus::kCompleted).ok());
    EXPECT_THAT(terminal.until("\x1b[2A"), Not(HasSubstr("COMPLETED"))) << "the filter holds on the screen, too";
  }
  unsetenv("NO_COLOR");
}

TEST_F(WatchCommand, FiltersChooseWhatIsToldAndWaitedFor) {
  const engine::RunRef other = start("other");
  const pid_t pid = watching({"watch", "--plain", "--interval", "20", "--until-finished", "--text", "0.25"});
  wait_for_output("progress=0.25");
  set(other, "n", "1");
  set(run_, "progress", "0.5");
  wait_for_output("progress=0.5");
  set(run_, "progress", "0.75");
  std::this_thread::sleep_for(200ms);
  end(engine::RunStatus::kFailed);
  const Ran ran = wait_in_time_for(pid);
  EXPECT_EQ(ran.exit, 1) << "of a run that was shown the end counts";
  EXPECT_THAT(ran.out, AllOf(Not(HasSubstr("other")), Not(HasSubstr("0.75")), Not(HasSubstr("FAILED"))))
      << "when it does not match any more it is told of once";
  EXPECT_EQ(cairn({"watch", "--status", "DONE"}).exit, 64);
  EXPECT_EQ(cairn({"watch", "job", "--tag", "x"}).exit, 64);
  EXPECT_EQ(cairn({"watch", "--parent", "no id"}).exit, 64);
}

TEST(WatchScreen, ATableCountsWhatDoesNotFitAndShowsTheNewest) {
  tools::WatchScreen screen(tools::WatchScreen::Style::kLines, true);
  for (int i = 0; i < 9; ++i) {
    engine::RunView view;
    view.record.id = "r" + std::to_string(i);
    view.record.status = i == 8 ? engine::RunStatus::kFailed : engine::RunStatus::kExecuting;
    view.record.created_us = i;
    screen.show(view);
  }
  const auto lines = screen.lines(80, 7, 0);
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_THAT(lines[0], HasSubstr("ID  STATUS"));
  EXPECT_THAT(lines[1], HasSubstr("r7  \x1b[36mEXECUTING\x1b[0m"));
  EXPECT_THAT(lines[4], HasSubstr("r4 "));
  EXPECT_EQ(lines[5], "(and 5 more)");
  EXPECT_THAT(screen.lines(80, 24, 0).back(), HasSubstr("r8  \x1b[31mFAILED\x1b[0m")) << "what has ended comes last";
  EXPECT_EQ(screen.lines(80, 24, 0).size(), 10u) << "all, and the head";
  EXPECT_EQ(screen.lines(80, 1, 0), std::vector<std::string>{"(9 runs)"});
  EXPECT_THAT(screen.lines(8, 24, 0)[1], Not(HasSubstr("\x1b"))) << "no half of a colour";
}

TEST(WatchScreen, LinesFitTheTerminal) {
  tools::WatchScreen screen(tools::WatchScreen::Style::kDetails);
  for (int i = 0; i < 9; ++i) {
    engine::RunView view;
    view.record.id = "r" + std::to_string(i);
    view.record.status = engine::RunStatus::kExecuting;
    view.record.task = "a\x1b[31m task of a very long name";
    view.record.document = engine::Document::from_object(
        *engine::parse_json(
             R"({"progress":0.5,"text":"\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"})")
             ->get<engine::Object>());
    screen.show(view);
  }
  for (const size_t columns : {10u, 40u, 100u}) {
    const auto lines = screen.lines(columns, 12, 0);
    EXPECT_LE(lines.size(), 11u);
    EXPECT_THAT(lines.back(), HasSubstr(std::string("(and 6 more)").substr(0, columns - 1)));
    for (const std::string& line : lines) {
      size_t points = 0;
      for (const char c : line) {
        points += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
        EXPECT_NE(c, '\x1b');
      }
      EXPECT_LE(points, columns);
    }
  }
  EXPECT_FALSE(screen.lines(80, 1, 0).empty());
}

TEST(WatchScreen, OnlyWhatIsNamedAPartOfAWholeIsABar) {
  const auto document = engine::Document::from_object(
      *engine::parse_json(R"({"progress":0.5,"loss":0.3,"val_progress":1,"hit_ratio":0.25,"done_pct":0,"ratio":0.5,
                              "cpu_pct":40,"in_progress_time":0.1,"accuracy":1.0,"miss_ratio":-0.5})")
           ->get<engine::Object>());
  std::string bars;
  for (const tools::Number& n : tools::numbers_of(document)) {
    bars += n.share ? n.key + " " : "";
  }
  EXPECT_EQ(bars, "progress val_progress hit_ratio done_pct ");
}

TEST(WatchScreen, ASparklineGoesFromLowestToHighest) {
  EXPECT_EQ(tools::sparkline({}, 8), "");
  EXPECT_EQ(tools::sparkline({1, 1}, 8), "\u2581\u2581");
  EXPECT_EQ(tools::sparkline({9, 0, 4, 8}, 3), "\u2581\u2585\u2588") << "the newest";
}

}  // namespace
}  // namespace cairn::tests
