// Other processes on one store: second owners, owners in another pid namespace, readers that die, forked children that
// stay.
#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>

#include "tests/support/child_process.h"
#include "tests/support/mounted_disk.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class Processes : public StoreTest {
 protected:
  Code open_code() {
    auto second = engine::Store::open(options());
    message_ = second.ok() ? "" : engine::error_detail().message;
    return second.code();
  }
  /// Runs `body` as the first process of a pid namespace of its own.
  static void in_pid_namespace(const std::function<void()>& body) {
    in_child([&] {
      ASSERT_EQ(unshare(CLONE_NEWPID), 0) << std::strerror(errno);
      in_child([&] {
        ASSERT_EQ(getpid(), 1);
        body();
      });
    });
  }
  void owner(ChildProcess& self) {
    open();
    const engine::RunRef run = start("r");
    for (int i = 1; i <= 100; ++i) {
      ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
    }
    self.go();
    self.wait();
    (void)store_.release();
  }
  std::string message_;
};

TEST_F(Processes, ASecondOwnerOfAnotherProcessIsBusyAndNamesTheFirst) {
  ChildProcess first([this](ChildProcess& self) { owner(self); });
  first.wait();
  EXPECT_EQ(open_code(), Code::kBusy);
  EXPECT_THAT(message_, HasSubstr("has the store open"));
  EXPECT_TRUE(engine::error_detail().owner_alive);
  first.kill_now();
  EXPECT_EQ(open_code(), Code::kOk) << message_;
}

TEST_F(Processes, ASecondOwnerInAnotherPidNamespaceIsBusyAndReadersThereAreRefused) {
  CAIRN_NEEDS_MOUNTS();
  ChildProcess first([this](ChildProcess& self) { owner(self); });
  first.wait();
  in_pid_namespace([this] {
    EXPECT_EQ(open_code(), Code::kBusy);
    EXPECT_THAT(message_, HasSubstr("another container"));
    EXPECT_EQ(engine::error_detail().owner_pid, 0u) << "the number means another process here";
    EXPECT_TRUE(engine::error_detail().owner_alive);
    EXPECT_THAT(read("r"), HasSubstr("another container"));
  });
  EXPECT_EQ(read("r"), R"({"n":100})");
  first.kill_now();
  in_pid_namespace([this] {
    open();  // as a restarted container: what was staged counts
    EXPECT_EQ(json("r"), R"({"n":100})");
    close();
  });
}

TEST_F(Processes, AForkedChildThatOutlivesAKilledOwnerDoesNotKeepTheStoreBusy) {
  int alive[2];
  ASSERT_EQ(pipe(alive), 0);
  ChildProcess first([&](ChildProcess& self) {
    open();
    const engine::RunRef run = start("r");
    ASSERT_EQ(set(run, "n", "7"), Code::kOk);
    if (fork() == 0) {
      char byte;
      ::close(alive[1]);
      self.go();                                       // it runs, so fork's handlers have run
      _exit(::read(alive[0], &byte, 1) == 0 ? 0 : 1);  // lives until the test ends
    }
    pause();
  });
  first.wait();
  first.kill_now();
  EXPECT_EQ(open_code(), Code::kOk) << message_;
  EXPECT_EQ(read("r"), R"({"n":7})");
  ::close(alive[0]);
  ::close(alive[1]);
}

TEST_F(Processes, AReaderThatIsKilledOrHeldForLongDoesNotStopTheWriterNorGrowTheTables) {
  open();
  const engine::RunRef run = start("r");
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  const auto reading = [this](ChildProcess& self) {
    (void)store_.release();  // the parent's
    engine::Tables::Options o;
    o.directory = options().directory;
    o.read_only = true;
    auto tables = engine::Tables::open(o);
    ASSERT_TRUE(tables.ok());
    auto snapshot = (*tables)->snapshot();
    ASSERT_TRUE(snapshot.ok());
    ASSERT_TRUE((*snapshot)->find("r").ok());
    self.go();
    self.wait();
  };
  ChildProcess killed(reading);
  killed.wait();
  ChildProcess held(reading);
  held.wait();
  killed.kill_now();
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(set(run, "text", "\"" + std::string(3000, static_cast<char>('a' + i % 26)) + "\""), Code::kOk);
      ASSERT_TRUE(store_->barrier().ok()) << engine::error_detail().message;
      ASSERT_TRUE(store_->checkpoint().ok()) << engine::error_detail().message;
    }
  };
  rounds(200);
  EXPECT_EQ(read("r").size(), 3000 + std::string(R"({"text":""})").size());
  held.kill_now();
  rounds(10);  // whose checkpoints clear the slots of the dead
  const uint64_t before = store_->stats().tables_bytes;
  rounds(200);
  EXPECT_LE(store_->stats().tables_bytes, before + (64u << 10)) << "a dead reader still pins pages";
}

}  // namespace
}  // namespace cairn::tests
