// System calls that fail below LMDB. liblmdb is a shared library, so the definitions here replace libc's for it.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

#include "engine/tables/tables.h"
#include "tables_fixture.h"

namespace {

struct Faults {
  std::atomic<int> writes{0};
  std::atomic<int> syncs{0};
  std::atomic<int> fail_write{0};  // counts down; the call that reaches 0 fails. 0: none
  std::atomic<int> fail_sync{0};
  std::atomic<int> error{EIO};
  std::atomic<bool> only_meta{false};
  std::atomic<bool> half{false};
  std::atomic<int> die_on_read_in_child_of{0};
};
Faults faults;

bool fails(std::atomic<int>& countdown) {
  if (countdown.load() == 0 || --countdown != 0) {
    return false;
  }
  errno = faults.error.load();
  return true;
}

}  // namespace

#define CAIRN_REPLACES extern "C" __attribute__((visibility("default")))

CAIRN_REPLACES int fdatasync(int fd) {
  ++faults.syncs;
  if (fails(faults.fail_sync)) {
    return -1;
  }
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

CAIRN_REPLACES ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  ++faults.writes;
  const bool counts = !faults.only_meta.load() || count < 512;  // of LMDB's writes only that of a meta page is so short
  if (counts && fails(faults.fail_write)) {
    return -1;
  }
  return syscall(SYS_pwrite64, fd, bytes, count, offset);
}

CAIRN_REPLACES ssize_t writev(int fd, const struct iovec* parts, int count) {
  ++faults.writes;
  if (!faults.only_meta.load() && fails(faults.fail_write)) {
    if (!faults.half.load()) {
      return -1;
    }
    return syscall(SYS_writev, fd, parts, 1);
  }
  return syscall(SYS_writev, fd, parts, count);
}

CAIRN_REPLACES ssize_t pread(int fd, void* bytes, size_t count, off_t offset) {
  const int parent = faults.die_on_read_in_child_of.load();
  if (parent != 0 && parent != getpid()) {
    raise(SIGKILL);
  }
  return syscall(SYS_pread64, fd, bytes, count, offset);
}

namespace cairn::engine {
namespace {

class TablesFault : public TablesFixture {
 protected:
  void SetUp() override {
    TablesFixture::SetUp();
    heal();
    open();
    must_write({put("a", "old"), put("b", "old")}, 1);
  }
  void TearDown() override {
    heal();
    TablesFixture::TearDown();
  }
  static void heal() {
    faults.fail_write = 0;
    faults.fail_sync = 0;
    faults.error = EIO;
    faults.only_meta = false;
    faults.half = false;
    faults.die_on_read_in_child_of = 0;
  }
  void expect_latched() {
    heal();
    EXPECT_EQ(write({put("a", "later")}, 3).code, Code::kLatched);
    EXPECT_EQ(tables_->sync().code, Code::kLatched);
    EXPECT_EQ(tables_->applied_lsn(), 1U);
  }
};

TEST_F(TablesFault, FailedSyncOfACommitLatchesWritesAndLeavesReads) {
  faults.fail_sync = 1;
  EXPECT_EQ(write({put("a", "new")}, 2).code, Code::kIo);
  expect_latched();
  EXPECT_EQ(text("a"), "old");
  open();
  EXPECT_EQ(tables_->applied_lsn(), 1U);
  must_write({put("a", "new")}, 2);
  EXPECT_TRUE(tables_->sync().ok());
  EXPECT_EQ(text("a"), "new");
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesFault, FailedSyncIsNeverRepeatedIntoSuccess) {
  faults.fail_sync = 1;
  EXPECT_EQ(tables_->sync().code, Code::kIo);
  expect_latched();
}

TEST_F(TablesFault, FailedMetaPageLatches) {
  faults.only_meta = true;
  faults.fail_write = 1;
  EXPECT_EQ(write({put("a", "new")}, 2).code, Code::kIo);
  expect_latched();
  open();
  EXPECT_EQ(text("a"), "old");
  must_write({put("a", "new")}, 2);
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesFault, LatchedEnvironmentIsNotOwnedAgainWhileAReaderSharesIt) {
  auto reader = opened_read_only();
  faults.fail_sync = 1;
  EXPECT_EQ(write({put("a", "new")}, 2).code, Code::kIo);
  heal();
  close();
  EXPECT_EQ(open_code(), Code::kBusy);
  EXPECT_EQ(text_of(*reader, "a"), "old");
  reader.reset();
  EXPECT_EQ(open_code(), Code::kOk);
}

TEST_F(TablesFault, NoSpaceIsNoLatch) {
  for (const int error : {ENOSPC, EDQUOT}) {
    heal();
    faults.error = error;
    faults.fail_write = 1;
    EXPECT_EQ(write({put("a", "new")}, 2).code, Code::kNoSpace);
    faults.fail_sync = 1;
    EXPECT_EQ(write({put("a", "new")}, 2).code, Code::kNoSpace);
    EXPECT_EQ(text("a"), "old");
    EXPECT_EQ(tables_->applied_lsn(), 1U);
  }
  heal();
  must_write({put("a", "new")}, 2);
  EXPECT_EQ(text("a"), "new");
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesFault, SyncAfterAFailureOrAnOpenWritesBeforeItSyncs) {
  EXPECT_TRUE(tables_->sync().ok());
  int before = faults.writes;
  EXPECT_TRUE(tables_->sync().ok());
  EXPECT_EQ(faults.writes, before);
  faults.error = ENOSPC;
  faults.fail_sync = 1;
  EXPECT_EQ(tables_->sync().code, Code::kNoSpace);
  heal();
  before = faults.writes;
  EXPECT_TRUE(tables_->sync().ok());
  EXPECT_GT(faults.writes, before);
  open();
  before = faults.writes;
  EXPECT_TRUE(tables_->sync().ok());
  EXPECT_GT(faults.writes, before);
}

TEST_F(TablesFault, EveryFailingCallLeavesTheOldOrTheNewStateWhole) {
  const auto body = [this] {
    if (!tables_->write(many(0, 300, 1000, 'n'), 2).ok()) {
      return false;
    }
    return tables_->sync().ok();
  };
  int failed = 0;
  for (const bool sync : {false, true}) {
    for (const int error : {EIO, ENOSPC}) {
      for (const bool half : {false, true}) {
        for (int nth = 1;; ++nth) {
          heal();
          close();
          std::filesystem::remove_all(directory_ + "/data");
          open();
          must_write(many(0, 300, 1000, 'o'), 1);
          faults.error = error;
          faults.half = half;
          (sync ? faults.fail_sync : faults.fail_write) = nth;
          const bool acknowledged = body();
          const bool reached = (sync ? faults.fail_sync : faults.fail_write) == 0;
          if (reached && !acknowledged) {
            ++failed;
          }
          heal();
          open();
          const uint64_t lsn = tables_->applied_lsn();
          EXPECT_TRUE(lsn == 2 || (lsn == 1 && !acknowledged)) << nth << " " << lsn;
          EXPECT_EQ(text(id(299)), std::string(1000, lsn == 2 ? 'n' : 'o'));
          EXPECT_EQ(damage(), "");
          must_write(many(0, 300, 1000, 'z'), 3);
          EXPECT_TRUE(tables_->sync().ok());
          if (!reached) {
            break;
          }
        }
      }
    }
  }
  EXPECT_GE(failed, 12);
}

TEST_F(TablesFault, TheAppliedLsnMovesWithTheLastPartOfAWrite) {
  constexpr int kRuns = 5000;  // three transactions
  bool parted = false;
  bool reached = true;
  for (int nth = 1; reached && !parted; ++nth) {
    heal();
    close();
    std::filesystem::remove_all(directory_ + "/data");
    open();
    must_write(many(0, kRuns, 10, 'o'), 1);
    faults.error = ENOSPC;
    faults.fail_write = nth;
    const bool written = tables_->write(many(0, kRuns, 10, 'n'), 2).ok();
    reached = faults.fail_write == 0;
    heal();
    close();
    open();
    EXPECT_EQ(tables_->applied_lsn(), written ? 2U : 1U) << nth;
    parted = parted || text(id(0)) != text(id(kRuns - 1));
  }
  EXPECT_TRUE(parted);
}

TEST_F(TablesFault, BirthThatFailsAnywhereIsBornAgainLater) {
  for (const bool sync : {false, true}) {
    for (int nth = 1;; ++nth) {
      close();
      std::filesystem::remove_all(directory_ + "/data");
      (sync ? faults.fail_sync : faults.fail_write) = nth;
      const bool born = try_open().ok();
      const bool reached = (sync ? faults.fail_sync : faults.fail_write) == 0;
      heal();
      EXPECT_FALSE(std::filesystem::exists(directory_ + "/data.tmp"));
      EXPECT_EQ(std::filesystem::exists(directory_ + "/data"), born);
      EXPECT_NE(born, reached);
      open();
      must_write({put("a")}, 1);
      EXPECT_EQ(damage(), "");
      if (!reached) {
        break;
      }
    }
  }
}

TEST_F(TablesFault, CheckThatDiesIsReportedAsDamage) {
  close();
  faults.die_on_read_in_child_of = getpid();
  std::vector<TableDamage> found;
  EXPECT_EQ(verify_in_child(options(), found).code, Code::kCorrupt);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].what, "the check died by signal 9");
}

}  // namespace
}  // namespace cairn::engine
