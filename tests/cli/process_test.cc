// The command in the surroundings that service managers and containers give it.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <chrono>
#include <functional>
#include <thread>

#include "tests/cli/command_fixture.h"
#include "tests/support/child_process.h"
#include "tools/process/interrupt.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class ProcessOfTheCommand : public CommandTest {
 protected:
  static void close_standard() {
    for (int fd = 0; fd <= 2; ++fd) {
      ::close(fd);
    }
  }
  static int status_of(pid_t pid) {
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  /// And with 0.
  static bool ends_within_10_s(pid_t pid) {
    int status = -1;
    for (int i = 0; i < 2000 && waitpid(pid, &status, WNOHANG) == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (status == -1) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    return status == 0;
  }
  /// From then on a signal is noted. Fields of /proc/PID/status are hexadecimal.
  static void wait_until_it_catches(pid_t pid, int signal) {
    const std::string path = "/proc/" + std::to_string(pid) + "/status";
    for (int i = 0; i < 2000; ++i) {
      const std::string status = read_file(path);
      const size_t at = status.find("SigCgt:");
      if (at != std::string::npos && (std::stoull(status.substr(at + 7, 20), nullptr, 16) >> (signal - 1) & 1) != 0) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    FAIL() << "the command does not catch the signal";
  }
};

TEST_F(ProcessOfTheCommand, WithoutStandardStreamsWritesIntoNoFileOfTheStore) {
  started();
  EXPECT_EQ(status_of(start_after(close_standard, {"set", "r", "a", "1"})), 0);
  const pid_t server = start_after(close_standard, {"serve", "--listen", "unix:" + path("socket")});
  for (int i = 0; i < 2000 && access(path("socket").c_str(), F_OK) != 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_THAT(read_file(store() + "/LOCK"), ::testing::StartsWith("pid=" + std::to_string(server) + "\nrole=owner\n"));
  EXPECT_EQ(read_file(store() + "/LOCK").find("listening"), std::string::npos);
  kill(server, SIGTERM);
  status_of(server);
  EXPECT_EQ(metadata(), "{\"a\":1}\n");
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

TEST_F(ProcessOfTheCommand, OutputThatWentToAClosedStreamIsNotTakenForWritten) {
  started();
  EXPECT_EQ(status_of(start_after(close_standard, {"get", "r"})), 74);
}

// The kernel takes no default action for process 1, so a signal that is raised there does not end it.
// A signal between the last look at the flag and the wait interrupts no system call. One that another thread handles
// does not, either: that one can be had at will.
TEST_F(ProcessOfTheCommand, ASignalThatInterruptsNoSystemCallEndsTheWait) {
  for (const bool input : {true, false}) {
    const pid_t pid = fork();
    if (pid == 0) {
      int nothing[2];
      if (pipe(nothing) != 0) {
        _exit(1);
      }
      tools::note_interrupts();
      std::thread([] {
        usleep(50'000);
        raise(SIGTERM);
      }).detach();
      if (input) {
        _exit(tools::wait_for_input(nothing[0]) ? 2 : 0);
      }
      tools::pause_ms(3'600'000);
      _exit(tools::interrupted() ? 0 : 2);
    }
    EXPECT_TRUE(ends_within_10_s(pid));
  }
}

TEST_F(ProcessOfTheCommand, ASignalOfAForkedChildDoesNotEndTheWaitsOfItsParent) {
  const pid_t pid = fork();
  if (pid == 0) {
    int later[2];
    int code = 1;
    if (pipe(later) == 0) {
      tools::note_interrupts();
      if (fork() == 0) {
        raise(SIGTERM);
        usleep(100'000);
        _exit(write(later[1], "x", 1) == 1 ? 0 : 1);
      }
      code = tools::wait_for_input(later[0]) && !tools::interrupted() ? 0 : 2;
    }
    _exit(code);
  }
  EXPECT_TRUE(ends_within_10_s(pid));
}

TEST_F(ProcessOfTheCommand, AsProcess1EndsWith128AndTheNumberOfItsSignal) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "not root: no pid namespace can be made here";
  }
  started();
  const std::string fifo = path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int writer = ::open(fifo.c_str(), O_RDWR | O_CLOEXEC);  // so that import waits for its first line
  const std::vector<std::vector<std::string>> commands = {
      {"watch", "r"}, {"import", fifo}, {"sync", "--upstream", "http://127.0.0.1:9"}};
  for (const int signal : {SIGTERM, SIGINT}) {
    for (const auto& command : commands) {
      in_child([&] {
        ASSERT_EQ(unshare(CLONE_NEWPID), 0);
        const pid_t pid = start_after(
            [this] {
              for (int fd = 1; fd <= 2; ++fd) {
                dup2(::open(path("out").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), fd);
              }
            },
            command);
        wait_until_it_catches(pid, signal);
        kill(pid, signal);
        EXPECT_EQ(status_of(pid), 128 + signal) << command[0] << ": " << read_file(path("out"));
      });
    }
  }
  ::close(writer);
}

TEST_F(ProcessOfTheCommand, AnOwnerInAnotherPidNamespaceIsNoProcessToKillHere) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "not root: no pid namespace can be made here";
  }
  started();
  ChildProcess container([this](ChildProcess& self) {
    ASSERT_EQ(unshare(CLONE_NEWPID), 0);
    const pid_t server = start_after(close_standard, {"serve", "--listen", "unix:" + path("socket")});
    for (int i = 0; i < 2000 && access(path("socket").c_str(), F_OK) != 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    self.go();
    self.wait();
    kill(server, SIGTERM);
    status_of(server);
  });
  container.wait();
  std::filesystem::remove(store() + "/relay.sock");  // by which the server would be asked
  const Ran ran = cairn({"set", "r", "a", "1", "--json"});
  EXPECT_EQ(ran.exit, 78) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("another container"));
  for (const char* wrong : {"kill", "is dead", "reading works", "owner_pid"}) {
    EXPECT_THAT(ran.err, ::testing::Not(HasSubstr(wrong)));
  }
  EXPECT_EQ(cairn({"ls"}).exit, 77);
  container.go();
  container.expect_success();
  EXPECT_EQ(cairn({"set", "r", "a", "1"}).exit, 0);
}

TEST_F(ProcessOfTheCommand, OverTheLimitOnFileSizesIsAnErrorThatSaysSo) {
  const Ran ran = [this] {
    const pid_t pid = start_after(
        [this] {
          dup2(::open(path("err").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 2);
          const rlimit limit = {100u << 10, 100u << 10};
          setrlimit(RLIMIT_FSIZE, &limit);
        },
        {"start", "--id", "r"});
    return wait_for(pid);
  }();
  EXPECT_EQ(ran.exit, 74) << ran.signal << " " << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("File too large"));
  EXPECT_EQ(cairn({"start", "--id", "r"}).exit, 0) << "nothing half made stays in the way";
}

}  // namespace
}  // namespace cairn::tests
