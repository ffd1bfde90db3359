// Stores that are made or opened where there is no room, or nothing may be written.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/cli/command_fixture.h"
#include "tests/support/mounted_disk.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class SmallDisk : public CommandTest {
 protected:
  void SetUp() override { CAIRN_NEEDS_MOUNTS(); }
  engine::StoreOptions on_disk() {
    engine::StoreOptions o = options();
    o.directory = disk_.path("store");
    return o;
  }
  void made() {
    open(on_disk());
    const engine::RunRef run = start("r");
    EXPECT_EQ(set(run, "progress", "0.5"), Code::kOk);
  }
  void expect_refused(Code code, const std::string& text) {
    auto refused = engine::Store::open(on_disk());
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.code(), code) << engine::error_detail().message;
    EXPECT_THAT(engine::error_detail().message, HasSubstr(text));
  }
  MountedDisk disk_;
};

TEST_F(SmallDisk, CreationWithoutRoomIsNoSpaceAtEveryPointAndWorksOnceThereIsRoom) {
  disk_.mount_tmpfs(1u << 20);
  int refused = 0;
  for (int free_pages = 0;; ++free_pages) {
    disk_.add_ballast();
    ASSERT_EQ(truncate(disk_.path("ballast").c_str(), static_cast<off_t>((256 - free_pages) * 4096)), 0);
    auto opened = engine::Store::open(on_disk());
    if (opened.ok()) {
      break;
    }
    ++refused;
    ASSERT_EQ(opened.code(), Code::kNoSpace) << free_pages << ": " << engine::error_detail().message;
    ASSERT_THAT(engine::error_detail().message, HasSubstr("space")) << free_pages;
    ASSERT_NE(access(disk_.path("store/STORE").c_str(), F_OK), 0) << "born at " << free_pages;
    disk_.remove_ballast();
  }
  EXPECT_GT(refused, 60);
  printf("mounts: creation refused with %d sizes of free space, then made\n", refused);
}

TEST_F(SmallDisk, AStoreOfTheDefaultSizeTakesAtMostSixMebibytesAndSmallSegmentsFitEight) {
  disk_.mount_tmpfs(64u << 20);
  const uint64_t before = disk_.free_bytes();
  engine::StoreOptions o = on_disk();
  o.segment_bytes = engine::StoreOptions().segment_bytes;
  open(o);
  start("r");
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(access(disk_.path("store/RESERVE").c_str(), F_OK), 0);
  EXPECT_LE(before - disk_.free_bytes(), 6u << 20);
  const uint64_t counted = store_->stats().disk_bytes;
  EXPECT_NEAR(static_cast<double>(counted), static_cast<double>(before - disk_.free_bytes()), 128.0 * 1024);
  close();
}

TEST_F(SmallDisk, TheReserveIsMadeOnlyWhereThereIsRoom) {
  disk_.mount_tmpfs(8u << 20);
  disk_.add_ballast(6u << 20);
  made();
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_NE(access(disk_.path("store/RESERVE").c_str(), F_OK), 0);
  disk_.remove_ballast();
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(access(disk_.path("store/RESERVE").c_str(), F_OK), 0);
  disk_.add_ballast();
  close();  // with the log's last records and a checkpoint, which need a little
  open(on_disk());
  EXPECT_EQ(json("r"), R"({"progress":0.5})");
}

TEST_F(SmallDisk, AReadOnlyMountIsReadByTheCommandAndNotOpenedForWriting) {
  disk_.mount_tmpfs(8u << 20);
  made();
  close();
  disk_.remount(true);
  expect_refused(Code::kReadOnly, "read-only");
  const std::string at = disk_.path("store");
  EXPECT_EQ(bare({"get", "r", "--store", at}).out, "{\"progress\":0.5}\n");
  for (const std::vector<std::string>& line :
       std::vector<std::vector<std::string>>{{"show", "r"}, {"ls"}, {"stats"}, {"verify"}, {"dump"}}) {
    std::vector<std::string> with_store = line;
    with_store.insert(with_store.end(), {"--store", at});
    const Ran ran = bare(with_store);
    EXPECT_EQ(ran.exit, 0) << line[0] << ": " << ran.err;
  }
  const Ran refused = bare({"set", "r", "a", "1", "--store", at});
  EXPECT_NE(refused.exit, 0);
  EXPECT_THAT(refused.err, HasSubstr("read-only"));
  disk_.remount(false);
  open(on_disk());
}

TEST_F(SmallDisk, AReadOnlyBindMountOfALiveStoreShowsWhatItsOwnerWrites) {
  disk_.mount_tmpfs(8u << 20);
  made();
  disk_.bind_read_only("seen");
  const Ran ran = bare({"get", "r", "--store", disk_.beside("seen") + "/store"});
  EXPECT_EQ(ran.out, "{\"progress\":0.5}\n") << ran.err;
  auto second = engine::Store::open([&] {
    engine::StoreOptions o = on_disk();
    o.directory = disk_.beside("seen") + "/store";
    return o;
  }());
  EXPECT_FALSE(second.ok());
  EXPECT_EQ(second.code(), Code::kReadOnly) << engine::error_detail().message;
}

TEST_F(SmallDisk, CreationOnAReadOnlyMountIsReadOnly) {
  disk_.mount_tmpfs(8u << 20);
  disk_.remount(true);
  expect_refused(Code::kReadOnly, "cannot make");
}

TEST_F(SmallDisk, RemountedReadOnlyWhileOpenUpdatesEndWithAClearErrorAndTheProcessLives) {
  disk_.mount_ext4(24u << 20);
  ChildProcess child([&](ChildProcess& self) {
    made();
    const engine::RunRef run = find("r");
    ASSERT_TRUE(store_->barrier().ok());
    self.go();
    self.wait();
    EXPECT_EQ(json("r"), R"({"progress":0.5})");
    const Code refused = set(run, "a", "1", engine::Durability::kPower);
    EXPECT_TRUE(refused == Code::kReadOnly || refused == Code::kLatched || refused == Code::kIo)
        << static_cast<int>(refused);
    EXPECT_NE(engine::error_detail().message, "");
    EXPECT_FALSE(store_->step(0).ok());
    EXPECT_NE(set(run, "a", "2", engine::Durability::kPower), Code::kOk);
    EXPECT_EQ(json("r"), R"({"progress":0.5})");
    (void)store_->close(0);
    store_.reset();
  });
  child.wait();
  disk_.fail_ext4();
  child.go();
  child.expect_success();
}

}  // namespace
}  // namespace cairn::tests
