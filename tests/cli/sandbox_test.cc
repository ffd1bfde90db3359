// Sandboxes refuse system calls, file systems know some of them not: the command then works without, or says what is
// missing. It never hangs, and blames neither itself nor the memory.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "tests/cli/command_fixture.h"
#include "tests/support/refused_calls.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Sandbox : public CommandTest {
 protected:
  /// `cairn ARGUMENTS` that has a minute, and in which the calls fail with `error`.
  Ran without(const std::vector<RefusedCall>& calls, int error, std::vector<std::string> arguments) {
    const auto refuse_all = [&] {
      dup2(::open(path("out").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 1);
      dup2(::open(path("err").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 2);
      alarm(60);
      for (const RefusedCall& call : calls) {
        if (!refuse(call, error)) {
          _exit(125);
        }
      }
    };
    return wait_for(start_after(refuse_all, std::move(arguments)));
  }
  static void expect_fair(const Ran& ran, const std::string& what) {
    EXPECT_EQ(ran.signal, 0) << what;
    EXPECT_TRUE(ran.exit == 0 || ran.exit == 74 || ran.exit == 77) << what << ": " << ran.exit << " " << ran.err;
    for (const char* wrong : {"bug in Cairn", "memory", "is dead", "damage"}) {
      EXPECT_THAT(ran.err, Not(HasSubstr(wrong))) << what;
    }
    EXPECT_EQ(ran.err.empty(), ran.exit == 0) << what << ": " << ran.err;
  }
  std::string fresh() { return std::to_string(++runs_); }
  int runs_ = 0;
};

constexpr RefusedCall kGetrandom{"getrandom", SYS_getrandom};

TEST_F(Sandbox, RandomBytesComeFromTheFileWhereTheCallIsRefused) {
  for (const int error : {EPERM, ENOSYS}) {
    const Ran first = without({kGetrandom}, error, {"start"});
    const Ran second = without({kGetrandom}, error, {"start"});
    EXPECT_EQ(first.exit, 0) << first.err;
    EXPECT_EQ(second.exit, 0) << second.err;
    EXPECT_NE(first.out, second.out);
  }
}

TEST_F(Sandbox, WithoutAnyRandomBytesNothingIsWrittenAndReadingWorks) {
  started();
  // O_RDONLY | O_CLOEXEC | O_NOFOLLOW: as /dev/urandom is opened, and by the command nothing else.
  const RefusedCall file{"openat", SYS_openat, 2, O_RDONLY | O_CLOEXEC | O_NOFOLLOW};
  const Ran ran = without({kGetrandom, file}, EPERM, {"set", "r", "a", "1"});
  EXPECT_EQ(ran.exit, 74);
  EXPECT_THAT(ran.err, HasSubstr("getrandom is refused, and /dev/urandom cannot be opened"));
  EXPECT_EQ(without({kGetrandom}, EPERM, {"get", "r"}).out, "{}\n");
}

TEST_F(Sandbox, WhatAPromiseNeedsIsRefusedByName) {
  const struct {
    RefusedCall call;
    const char* said;
  } cases[] = {
      {{"lock", SYS_fcntl, 1, F_OFD_SETLK}, "open file description locks"},
      {{"fork", SYS_madvise, 2, MADV_WIPEONFORK}, "MADV_WIPEONFORK"},
      {{"fsync", SYS_fsync}, "does not sync"},
      {{"fdatasync", SYS_fdatasync}, "does not sync"},
  };
  started();
  for (const auto& c : cases) {
    for (const int error : {EINVAL, ENOSYS, EPERM}) {
      const Ran ran = without({c.call}, error, {"start", "--id", fresh()});
      EXPECT_EQ(ran.exit, 77) << c.call.name << " " << std::strerror(error);
      EXPECT_THAT(ran.err, HasSubstr(c.said)) << std::strerror(error);
      expect_fair(ran, c.call.name);
    }
  }
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

TEST_F(Sandbox, AStoreIsMadeOrRefusedWholeWhateverCallIsMissing) {
  const RefusedCall calls[] = {
      {"fsync", SYS_fsync},
      {"fdatasync", SYS_fdatasync},
      {"fallocate", SYS_fallocate},
      {"ftruncate", SYS_ftruncate},
      {"madvise", SYS_madvise},
      {"statx", SYS_statx},
      {"statfs", SYS_statfs},
      {"fstatfs", SYS_fstatfs},
      {"timerfd", SYS_timerfd_create},
      {"eventfd", SYS_eventfd2},
      {"renameat", SYS_renameat},
      {"rename", SYS_rename},
      {"mkdir", SYS_mkdir},
      {"mkdirat", SYS_mkdirat},
      {"fchmod", SYS_fchmod},
      {"fchmodat", SYS_fchmodat},
      {"chmod", SYS_chmod},
      {"pwrite", SYS_pwrite64},
      {"getdents", SYS_getdents64},
      {"kill", SYS_kill},
      {"fcntl", SYS_fcntl},
      {"unlinkat", SYS_unlinkat},
      {"rmdir", SYS_rmdir},
      {"readlink", SYS_readlink},
      {"getrandom", SYS_getrandom},
#ifndef __SANITIZE_ADDRESS__  // which ends the process where it cannot have its own handlers
      {"sigaltstack", SYS_sigaltstack},
      {"sigaction", SYS_rt_sigaction},
#endif
  };
  for (const RefusedCall& call : calls) {
    name_ = "store";
    const Ran ran = without({call}, EPERM, {"start", "--id", "r"});
    expect_fair(ran, call.name);
    const Ran after = cairn({"start", "--id", "later"});
    EXPECT_EQ(after.exit, 0) << call.name << ": " << after.err;
    EXPECT_EQ(cairn({"get", "r"}).exit, ran.exit == 0 ? 0 : 1) << call.name;
    TemporaryDirectory aside(directory_.path());
    ASSERT_EQ(rename(store().c_str(), (aside.path() + "/used").c_str()), 0);
  }
}

}  // namespace
}  // namespace cairn::tests
