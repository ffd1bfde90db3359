// Descriptors 0, 1 and 2 are the host's, also while it has them closed: a daemon's next print must not meet our files.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/child_process.h"
#include "tests/support/store_fixture.h"
#include "wal/descriptor.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class StandardDescriptors : public StoreTest {
 protected:
  static void close_standard() {
    for (int fd = 0; fd <= 2; ++fd) {
      ::close(fd);
    }
  }
  static std::string open_standard() {
    std::string open;
    for (int fd = 0; fd <= 2; ++fd) {
      open += ::syscall(SYS_fcntl, fd, F_GETFD) >= 0 ? std::to_string(fd) : "";
    }
    return open;
  }
  /// What a daemon does that was started without them. Raw calls: TSan would see races with what held the numbers.
  static void print() {
    for (int fd = 0; fd <= 2; ++fd) {
      (void)!::syscall(SYS_write, fd, "a line of the host\n", 19);
    }
  }
  engine::StoreOptions wide() {
    engine::StoreOptions o = options();
    o.metadata_bytes_max = 32'000;
    o.background = true;
    return o;
  }
  /// What a store opens in its life: several segments, the tables, staging, a timer and an event, a reader's files.
  void live() {
    open(wide());
    const engine::RunRef run = start("r");
    for (int i = 0; i < 40; ++i) {
      ASSERT_EQ(set(run, "text", "\"" + std::string(30'000, 't') + "\"", engine::Durability::kPower), Code::kOk);
      print();
    }
    ASSERT_TRUE(store_->checkpoint().ok());
    ASSERT_THAT(read("r"), HasSubstr("ttt"));
  }
};

TEST_F(StandardDescriptors, AreLeftAloneWhenTheyWereClosedBeforeTheOpen) {
  in_child([this] {
    close_standard();
    live();
    ASSERT_EQ(open_standard(), "");
    print();
    ASSERT_EQ(set(find("r"), "text", "1"), Code::kOk);
    close();
    ASSERT_EQ(open_standard(), "");
  });
  EXPECT_EQ(read("r"), R"({"text":1})");
}

TEST_F(StandardDescriptors, AreLeftAloneWhenTheyAreClosedLater) {
  in_child([this] {
    close_standard();
    for (int fd = 0; fd <= 2; ++fd) {
      ASSERT_EQ(::open("/dev/null", O_RDWR), fd);
    }
    live();
    close_standard();
    const engine::RunRef run = find("r");
    for (int i = 0; i < 40; ++i) {  // over several segments
      ASSERT_EQ(set(run, "text", "\"" + std::string(30'000, 'u') + "\"", engine::Durability::kPower), Code::kOk);
      print();
    }
    ASSERT_TRUE(store_->checkpoint().ok());
    ASSERT_EQ(open_standard(), "");
    close();
  });
  EXPECT_THAT(read("r"), HasSubstr("uuu"));
}

TEST_F(StandardDescriptors, OfTheHostThatTookOneMeanwhileStayIts) {
  in_child([] {
    const int own = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
    close_standard();
    {
      const wal::StandardHeld outer;
      const wal::StandardHeld inner;
      ASSERT_EQ(open_standard(), "012");
      ASSERT_EQ(::dup2(own, 1), 1);
    }
    ASSERT_EQ(open_standard(), "1");
  });
}

TEST_F(StandardDescriptors, ThatTheHostClosesWhileAnotherHoldsThemAreHeldToo) {
  in_child([] {
    close_standard();
    for (int fd = 0; fd <= 2; ++fd) {
      ASSERT_EQ(::open("/dev/null", O_RDWR), fd);
    }
    {
      const wal::StandardHeld first;
      close_standard();
      {
        const wal::StandardHeld second;
        ASSERT_EQ(open_standard(), "012");
      }
      ASSERT_EQ(open_standard(), "012") << "the last one gives them back";
    }
    ASSERT_EQ(open_standard(), "");
  });
}

TEST_F(StandardDescriptors, AreHeldByWhatCanBeHadWhereThereIsNoDevNull) {
  in_child([this] {
    if (geteuid() != 0) {
      GTEST_SKIP() << "needs chroot";
    }
    ASSERT_EQ(::chroot(directory_.path().c_str()), 0);
    close_standard();
    const wal::StandardHeld held;
    ASSERT_EQ(open_standard(), "012");
    ASSERT_EQ(::write(1, "x", 1), -1);
  });
}

}  // namespace
}  // namespace cairn::tests
