// What stands in the place of a store's file and is none: no command waits for it or writes through it; 77, by name.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>

#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class StrangeFiles : public CommandTest {
 protected:
  /// `cairn ARGUMENTS`, killed by SIGALRM if it waits.
  Ran in_time(const std::vector<std::string>& arguments) {
    const pid_t pid = spawn(arguments, "/dev/null");
    for (int i = 0; i < 4000; ++i) {
      siginfo_t info = {};
      if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid) {
        return wait_for(pid);
      }
      usleep(5000);
    }
    kill(pid, SIGKILL);
    return wait_for(pid);
  }
  static bool put(const std::string& kind, const std::string& at, const std::string& aside) {
    if (rename(at.c_str(), aside.c_str()) != 0) {
      return false;
    }
    if (kind == "fifo") {
      return mkfifo(at.c_str(), 0600) == 0;
    }
    if (kind == "link") {
      return symlink(aside.c_str(), at.c_str()) == 0;
    }
    if (kind == "directory") {
      return mkdir(at.c_str(), 0700) == 0;
    }
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int here = ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);  // a path of a socket is short
    const std::filesystem::path path = at;
    const bool made = chdir(path.parent_path().c_str()) == 0 &&
                      snprintf(address.sun_path, sizeof address.sun_path, "%s", path.filename().c_str()) > 0 &&
                      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && fchdir(here) == 0;
    ::close(fd);
    ::close(here);
    return made;
  }
  /// Runs the command as another user, who may enter the directory.
  Ran as_user(int uid, const std::vector<std::string>& command) {
    std::vector<std::string> argv = {"--reuid",     std::to_string(uid), "--clear-groups",
                                     CAIRN_COMMAND, "--store",           store()};
    argv.insert(argv.end(), command.begin(), command.end());
    std::vector<char*> pointers = {const_cast<char*>("setpriv")};
    for (std::string& a : argv) {
      pointers.push_back(a.data());
    }
    pointers.push_back(nullptr);
    fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(::open(path("out").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 1);
      dup2(::open(path("err").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 2);
      execvp("setpriv", pointers.data());
      _exit(126);
    }
    return wait_for(pid);
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> all = {"LOCK", "STORE", "data/data.mdb", "data/lock.mdb"};
    for (const auto& entry : std::filesystem::directory_iterator(store() + "/wal")) {
      all.push_back("wal/" + entry.path().filename().string());
    }
    return all;
  }
};

TEST_F(StrangeFiles, InThePlaceOfAFileAre77AndNamed) {
  started();
  const std::vector<std::vector<std::string>> commands = {{"ls"},     {"get", "r"}, {"set", "r", "a", "1"},
                                                          {"verify"}, {"export"},   {"repair"}};
  for (const std::string& name : files()) {
    for (const char* kind : {"fifo", "socket", "link", "directory"}) {
      ASSERT_TRUE(put(kind, store() + "/" + name, path("aside"))) << kind << " " << name << " " << strerror(errno);
      for (const auto& command : commands) {
        const Ran ran = in_time(command);
        ASSERT_EQ(ran.signal, 0) << command[0] << " waits for the " << kind << " " << name;
        EXPECT_EQ(ran.exit, 77) << command[0] << ", " << kind << " as " << name << ": " << ran.exit << " " << ran.err
                                << ran.out;
        EXPECT_THAT(ran.err + ran.out, HasSubstr(std::filesystem::path(name).filename().string()))
            << command[0] << ", " << kind;
      }
      ASSERT_EQ(remove((store() + "/" + name).c_str()), 0);
      ASSERT_EQ(rename(path("aside").c_str(), (store() + "/" + name).c_str()), 0);
    }
  }
  EXPECT_EQ(cairn({"set", "r", "a", "1"}).exit, 0);
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

TEST_F(StrangeFiles, LinksInThePlaceOfTheDirectoriesInsideAre77) {
  started();
  for (const std::string name : {"wal", "data", "staging"}) {
    ASSERT_TRUE(put("link", store() + "/" + name, path("aside")));
    const size_t before = std::distance(std::filesystem::recursive_directory_iterator(directory_.path()), {});
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"set", "r", "a", "1"}, {"ls"}, {"verify"}}) {
      const Ran ran = in_time(command);
      EXPECT_EQ(ran.exit, 77) << command[0] << ", " << name << ": " << ran.err << ran.out;
    }
    const size_t after = std::distance(std::filesystem::recursive_directory_iterator(directory_.path()), {});
    EXPECT_EQ(after, before) << "something was made behind the link " << name;
    ASSERT_EQ(remove((store() + "/" + name).c_str()), 0);
    ASSERT_EQ(rename(path("aside").c_str(), (store() + "/" + name).c_str()), 0);
  }
}

TEST_F(StrangeFiles, TheStoresOwnNameMayBeALink) {
  ASSERT_EQ(mkdir(path("real").c_str(), 0700), 0);
  ASSERT_EQ(symlink("real", store().c_str()), 0);
  started();
  EXPECT_EQ(cairn({"set", "r", "a", "1"}).exit, 0);
  EXPECT_EQ(metadata(), "{\"a\":1}\n");
  EXPECT_EQ(cairn({"verify"}).exit, 0);
  EXPECT_EQ(cairn({"backup", path("copy")}).exit, 0);
  EXPECT_TRUE(std::filesystem::exists(path("real") + "/STORE"));
  EXPECT_EQ(symlink("nowhere", path("dangling").c_str()), 0);
  const Ran ran = bare({"--store", path("dangling"), "start"});
  EXPECT_EQ(ran.exit, 65) << ran.err;
  EXPECT_FALSE(std::filesystem::exists(path("nowhere")));
}

TEST_F(StrangeFiles, OfAnotherUserAre77AndThatUserIsNamed) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "not root: no other user's store can be made here";
  }
  started();
  for (const mode_t mode : {0700, 0755}) {
    ASSERT_EQ(chmod(store().c_str(), mode), 0);
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"ls"}, {"get", "r"}, {"set", "r", "a", "1"}, {"verify"}}) {
      ASSERT_EQ(chown(store().c_str(), 65534, 65534), 0);
      ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
      const Ran ran = as_user(65533, command);
      EXPECT_EQ(ran.exit, 77) << command[0] << " " << std::oct << mode << ": " << ran.err;
      EXPECT_THAT(ran.err, HasSubstr("another user")) << command[0] << " " << std::oct << mode;
    }
  }
}

// It is in use: without it a second owner would come in.
TEST_F(StrangeFiles, ALockThatMayNotBeOpenedIsNotToBeRemoved) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "not root: permissions bind another user only";
  }
  started();
  ASSERT_EQ(system(("chown -R 65534:65534 " + directory_.path()).c_str()), 0);
  ASSERT_EQ(chmod((store() + "/LOCK").c_str(), 0400), 0);
  const Ran ran = as_user(65534, {"set", "r", "a", "1"});
  EXPECT_EQ(ran.exit, 77) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("chmod u+rw " + store() + "/LOCK"));
  EXPECT_THAT(ran.err, HasSubstr("do not remove it"));
}

// What a volume gets from the fsGroup of a Kubernetes pod.
TEST_F(StrangeFiles, OpenedToAGroupTheHintOfTheErrorMendsThem) {
  started();
  const std::string opened = "chmod -R g+rwxs " + store();
  ASSERT_EQ(system(opened.c_str()), 0);
  for (const std::vector<std::string>& command : {std::vector<std::string>{"set", "r", "a", "1"}, {"verify"}, {"ls"}}) {
    const Ran ran = cairn(command);
    EXPECT_EQ(ran.exit, 77) << command[0] << ": " << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("chmod -R go-rwxs")) << command[0];
  }
  EXPECT_THAT(cairn({"set", "r", "a", "1"}).err, HasSubstr("fsGroupChangePolicy"));
  const std::string hint = "chmod -R go-rwxs " + store();
  EXPECT_THAT(cairn({"set", "r", "a", "1"}).err, HasSubstr(hint));
  ASSERT_EQ(system(hint.c_str()), 0);
  EXPECT_EQ(cairn({"set", "r", "a", "1"}).exit, 0);
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

}  // namespace
}  // namespace cairn::tests
