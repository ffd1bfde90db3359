// The steady state of hot calls: no allocation and no system call in 1,000,000 of them.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/api/api_fixture.h"
#include "tests/support/allocations.h"

namespace cairn::tests {
namespace {

constexpr int kRounds = 1'000'000;

class Steady : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    start("r", "{\"phase\":\"aaaaaaaa\",\"progress\":0.5,\"count\":0,\"flag\":true}");
    CAIRN_ASSERT_OK(cairn_run_bind(run_, "progress", 8, &progress_));
    CAIRN_ASSERT_OK(cairn_run_bind(run_, "count", 5, &count_));
    update(0);  // makes the keys pending
    update(1);
  }
  void TearDown() override {
    CAIRN_EXPECT(CAIRN_OK, cairn_cell_close(progress_));
    CAIRN_EXPECT(CAIRN_OK, cairn_cell_close(count_));
    ApiTest::TearDown();
  }
  /// Every hot call once; how many of them failed.
  int update(int i) {
    const char text[2][9] = {"training", "checking"};
    const double d = i / 1e6;
    double got = 0;
    int64_t count = 0;
    int32_t flag = 0;
    char phase[16];
    size_t needed = 0;
    int failed = 0;
    failed += cairn_cell_set_double(progress_, d) != CAIRN_OK;
    failed += cairn_cell_increment_int64(count_, 1) != CAIRN_OK;
    failed += cairn_run_set_double(run_, "progress", 8, d + 1) != CAIRN_OK;
    failed += cairn_run_set_int64(run_, "count", 5, i) != CAIRN_OK;
    failed += cairn_run_increment_int64(run_, "count", 5, 2) != CAIRN_OK;
    failed += cairn_run_increment_double(run_, "progress", 8, 0.5) != CAIRN_OK;
    failed += cairn_run_set_bool(run_, "flag", 4, i & 1) != CAIRN_OK;
    failed += cairn_run_set_string(run_, "phase", 5, text[i & 1], 8) != CAIRN_OK;
    failed += cairn_run_get_double(run_, "progress", 8, &got) != CAIRN_OK || got != d + 1.5;
    failed += cairn_cell_get_int64(count_, &count) != CAIRN_OK || count != i + 2;
    failed += cairn_run_get_bool(run_, "flag", 4, &flag) != CAIRN_OK || flag != (i & 1);
    failed += cairn_run_get_string(run_, "phase", 5, phase, sizeof phase, &needed) != CAIRN_OK || needed != 8;
    return failed;
  }

  cairn_cell* progress_ = nullptr;
  cairn_cell* count_ = nullptr;
};

TEST_F(Steady, HotCallsAllocateNothing) {
  const uint64_t before = allocations();
  int failed = 0;
  for (int i = 0; i < kRounds; ++i) {
    failed += update(i);
  }
  EXPECT_EQ(allocations() - before, 0u);
  EXPECT_EQ(failed, 0);
  std::printf("steady: %d rounds of 12 hot calls, %llu allocations\n", kRounds,
              static_cast<unsigned long long>(allocations() - before));
}

TEST_F(Steady, AfterAFlushTheyAllocateOnlyToBecomeDirtyAgain) {
  for (int i = 0; i < 100; ++i) {
    update(i);
    CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_));
  }
  update(0);
  const uint64_t before = allocations();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(update(i), 0);
  }
  EXPECT_EQ(allocations() - before, 0u);
}

// Kills this thread on every system call but the end and a write of one byte.
bool allow_no_system_calls() {
  const auto number = static_cast<unsigned>(offsetof(seccomp_data, nr));
  const auto third = static_cast<unsigned>(offsetof(seccomp_data, args) + 2 * sizeof(uint64_t));
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offsetof(seccomp_data, arch))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, third),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// Runs `work` in a child that opened a store of its own and may make no more system calls. The byte it writes, or how
/// it died.
template <class Work>
std::string run_without_system_calls(Work&& work) {
  int ends[2];
  if (pipe(ends) != 0) {
    return "no pipe";
  }
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    work(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  char byte = '?';
  const bool wrote = read(ends[0], &byte, 1) == 1;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    return "signal " + std::to_string(WTERMSIG(status));
  }
  return wrote ? std::string(1, byte) : "nothing";
}

class SteadyChild : public ApiTest {
 protected:
  void SetUp() override {}
};

TEST_F(SteadyChild, HotCallsMakeNoSystemCall) {
  const std::string end = run_without_system_calls([&](int out) {
    open();
    start("r", "{\"phase\":\"aaaaaaaa\",\"progress\":0.5,\"count\":0}");
    cairn_cell* cell = nullptr;
    int failed = cairn_run_bind(run_, "progress", 8, &cell) != CAIRN_OK;
    const auto round = [&](int i) {
      double d = 0;
      failed += cairn_cell_set_double(cell, i / 1e6) != CAIRN_OK;
      failed += cairn_run_set_double(run_, "progress", 8, i / 1e5) != CAIRN_OK;
      failed += cairn_run_increment_int64(run_, "count", 5, 1) != CAIRN_OK;
      failed += cairn_run_set_string(run_, "phase", 5, i % 2 == 0 ? "training" : "checking", 8) != CAIRN_OK;
      failed += cairn_run_get_double(run_, "progress", 8, &d) != CAIRN_OK;
    };
    round(0);
    round(1);
    if (!allow_no_system_calls()) {
      failed = 1;
    }
    for (int i = 0; i < kRounds; ++i) {
      round(i);
    }
    const char byte = failed == 0 ? 'y' : 'n';
    if (write(out, &byte, 1) != 1) {
      _exit(2);
    }
  });
  EXPECT_EQ(end, "y");
  std::printf("steady: %d rounds of 5 hot calls, no system call\n", kRounds);
}

TEST_F(SteadyChild, TheFilterKillsOnASystemCall) {
  const std::string end = run_without_system_calls([](int out) {
    if (!allow_no_system_calls()) {
      return;
    }
    getppid();
    if (write(out, "y", 1) != 1) {
      _exit(2);
    }
  });
  EXPECT_EQ(end, "signal 31");
}

}  // namespace
}  // namespace cairn::tests
