// Other processes of a test, made by fork, and the mount namespace that their mounts end with.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>

namespace cairn::tests {

/// A process of its own, made by fork. It reports by exit status: 0 if its body had no test failure.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<void(ChildProcess&)>& body) {
    if (pipe(to_child_.data()) != 0 || pipe(to_parent_.data()) != 0) {
      abort();
    }
    fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      in_child_ = true;
      body(*this);
      fflush(nullptr);
      _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    close(to_child_[0]);
    close(to_parent_[1]);
  }
  ~ChildProcess() {
    if (!waited_) {
      kill_now();
    }
    close(to_child_[1]);
    close(to_parent_[0]);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Each side: lets the other one pass its next wait().
  void go() {
    const char c = 'g';
    ASSERT_EQ(write(in_child_ ? to_parent_[1] : to_child_[1], &c, 1), 1);
  }
  void wait() {
    char c = 0;
    ASSERT_EQ(read(in_child_ ? to_child_[0] : to_parent_[0], &c, 1), 1);
  }

  void kill_now() {
    kill(pid_, SIGKILL);
    join();
  }
  /// The status of waitpid.
  int join() {
    int status = -1;
    waitpid(pid_, &status, 0);
    waited_ = true;
    return status;
  }
  void expect_success() {
    const int status = join();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status of the child: " << status;
  }

 private:
  std::array<int, 2> to_child_{};
  std::array<int, 2> to_parent_{};
  pid_t pid_ = -1;
  bool in_child_ = false;
  bool waited_ = false;
};

inline void in_child(const std::function<void()>& body) {
  ChildProcess child([&](ChildProcess&) { body(); });
  child.expect_success();
}

/// A mount namespace of its own for this process; its mounts end with it.
inline void unshare_mounts() {
  ASSERT_EQ(unshare(CLONE_NEWNS), 0);
  ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
}

}  // namespace cairn::tests
