// What must be on the disk before what: log before tables, tables before a segment is given up, sync before an epoch
// is durable; and which staged diffs count after which end.
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <vector>

#include "tests/support/crashing_store.h"

namespace {

// Syncs of LMDB's file. liblmdb is a shared library, so the definition below replaces libc's for it.
std::atomic<int> table_syncs{0};

bool is_tables_file(int fd) {
  char path[512];
  const ssize_t bytes = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return bytes > 0 && std::string_view(path, static_cast<size_t>(bytes)).find("/data.mdb") != std::string_view::npos;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int fdatasync(int fd) {
  table_syncs += is_tables_file(fd) ? 1 : 0;
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

namespace cairn::tests {
namespace {

using engine::Durability;
using engine::OperationType;

class DurableOrder : public CrashingStoreTest {
 protected:
  /// Log records for about `bytes` bytes, none of them synced but by a rotation.
  Status append_about(engine::Run& run, uint64_t bytes) {
    const uint64_t end = store_->stats().wal.bytes + bytes;
    for (int i = 0; store_->stats().wal.bytes < end; ++i) {
      engine::Outcome outcome;
      CAIRN_TRY(store_->apply(run, {OperationType::kSet, "text", std::string(3000, static_cast<char>('a' + i % 26))},
                              outcome));
      CAIRN_TRY(store_->set_tags(run, {"tag"}));
    }
    return {};
  }
};

TEST_F(DurableOrder, TheTablesHoldNothingThatTheLogHasNotSynced) {
  open();
  auto run = start("r");
  set(run, "a", "1");
  ASSERT_TRUE(store_->barrier().ok());
  const uint64_t durable = store_->stats().durable_lsn;
  ASSERT_TRUE(store_->set_tags(*run, {"tag"}).ok());  // in the log, not synced
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(store_->stats().durable_lsn, durable);
  EXPECT_EQ(store_->stats().applied_lsn, durable);
}

TEST_F(DurableOrder, TheTablesHoldSealedDiffsAndNoHotDocument) {
  open();
  auto run = start("r");
  set(run, "a", "1");
  ASSERT_TRUE(store_->barrier().ok());
  set(run, "a", "2");
  ASSERT_TRUE(store_->checkpoint().ok());
  ASSERT_NO_FATAL_FAILURE(reboot());  // what was staged does not count, and the log up to here is in the tables alone
  EXPECT_EQ(json("r"), R"({"a":1})");
}

TEST_F(DurableOrder, SegmentsAreGivenUpOnlyAfterTheTablesAreSynced) {
  open();
  auto run = start("r");
  ASSERT_TRUE(append_about(*run, options().segment_bytes * 9 / 5).ok());  // one part of a checkpoint
  ASSERT_TRUE(store_->barrier().ok());
  std::vector<int> given_up;  // at so many syncs of the tables
  files_->before = [&](FileCall call, const std::string& name) {
    if ((call == FileCall::kRename || call == FileCall::kRemove) && name.find(".wal") != std::string::npos) {
      given_up.push_back(table_syncs.load());
    }
  };
  ASSERT_TRUE(store_->checkpoint().ok());
  files_->before = nullptr;
  ASSERT_GE(given_up.size(), 1U);
  EXPECT_THAT(given_up, ::testing::Each(table_syncs.load()));
  EXPECT_EQ(store_->stats().applied_lsn, store_->stats().written_lsn);
}

TEST_F(DurableOrder, AnEpochIsDurableOnlyWhenItsSyncWorked) {
  open();
  auto run = start("r");
  engine::Outcome outcome;
  uint64_t epoch = 0;
  ASSERT_TRUE(store_->apply(*run, {OperationType::kSet, "a", 1}, outcome, Durability::kDefault, &epoch).ok());
  files_->fail({FileCall::kSync, 1, kBroken});
  EXPECT_EQ(store_->wait_durable(epoch, -1).code, Code::kIndeterminate);
  EXPECT_LT(store_->durable_epoch(), epoch);
  EXPECT_EQ(store_->wait_durable(epoch, -1).code, Code::kLatched);
}

TEST_F(DurableOrder, StagedDiffsOfAnEarlierBootDoNotCount) {
  open();
  auto run = start("r");
  set(run, "a", "1");
  ASSERT_NO_FATAL_FAILURE(reboot());
  EXPECT_EQ(json("r"), "{}");
}

TEST_F(DurableOrder, StagedDiffsBehindAGapDoNotCount) {
  open();
  auto run = start("r");
  set(run, "a", "1");
  ASSERT_TRUE(store_->set_tags(*run, {"tag"}).ok());
  set(run, "b", "2");
  const wal::StoreId id = store_->store_id();
  die();
  // The log's end is gone, as a snapshot of the disk taken file by file may have it: "b" would be applied over a hole.
  wal::ScanReport report;
  auto files = wal::open_posix_files(path());
  uint64_t seal_at = 0;
  ASSERT_TRUE(wal::scan(
                  **files, id, 1, 0,
                  [&](const wal::RecordView& record) {
                    seal_at = record.lsn == 2 ? record.offset : seal_at;
                    return Status();
                  },
                  report)
                  .ok());
  ASSERT_GT(seal_at, 0U);
  std::fstream segment(path() + "/wal/0000000000000001.wal", std::ios::in | std::ios::out | std::ios::binary);
  segment.seekp(static_cast<std::streamoff>(seal_at));
  segment.write(std::string(64, '\0').data(), 64);
  segment.close();
  open();
  EXPECT_THAT(json("r"), ::testing::AnyOf("{}", R"({"a":1})"));
  EXPECT_GT(store_->stats().ignored_staged, 0U);
}

TEST_F(DurableOrder, TheLastMebibyteOfTheBudgetIsLeftToTheCheckpoint) {
  auto o = options();
  o.disk_bytes_max = 8u << 20;
  open(o);
  auto run = start("r");
  EXPECT_EQ(append_about(*run, o.disk_bytes_max).code, Code::kNoSpace);
  const engine::StoreStats full = store_->stats();
  EXPECT_LE(full.wal_bytes + full.staging_bytes + full.tables_bytes, o.disk_bytes_max - (1u << 20));
  EXPECT_TRUE(store_->checkpoint().ok());
  EXPECT_TRUE(store_->barrier().ok());
  EXPECT_TRUE(append_about(*run, o.segment_bytes).ok());
}

}  // namespace
}  // namespace cairn::tests
