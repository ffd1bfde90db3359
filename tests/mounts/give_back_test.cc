// A full disk keeps nobody from giving space back: `cairn erase` and `cairn finish` work there, however the store
// ended, and what else was acknowledged stays.
#include <gmock/gmock.h>

#include "engine/directory/reserve.h"
#include "tests/cli/command_fixture.h"
#include "tests/mounts/worker.h"
#include "tests/support/mounted_disk.h"

namespace cairn::tests {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

struct FullStore {
  const char* name;
  uint64_t ext4_bytes;  // 0: a tmpfs of 8 MiB
  uint32_t segment_bytes;
  bool closed;  // else killed
};

class GiveBack : public CommandTest, public ::testing::WithParamInterface<FullStore> {
 protected:
  void SetUp() override {
    CAIRN_NEEDS_MOUNTS();
    page_ = Acknowledged::make();
    ASSERT_NE(page_, nullptr);
    if (GetParam().ext4_bytes == 0) {
      disk_.mount_tmpfs(8u << 20);
      disk_.add_ballast(2u << 20);
    } else {
      disk_.mount_ext4(GetParam().ext4_bytes);
      disk_.add_ballast(6u << 20);
    }
  }
  engine::StoreOptions on_disk() {
    engine::StoreOptions o;
    o.directory = disk_.path("store");
    o.segment_bytes = GetParam().segment_bytes;
    return o;
  }
  /// A process fills the disk with one store, until no update is taken, and ends.
  void fill() {
    ChildProcess child([this](ChildProcess& self) {
      Worker worker(on_disk(), *page_);
      worker.open();
      worker.fill();
      if (GetParam().closed) {
        EXPECT_EQ(worker.store().close(-1).code, Code::kOk) << engine::error_detail().message;
      }
      if (::testing::Test::HasFailure()) {
        _exit(1);
      }
      self.go();
      pause();
    });
    child.wait();
    child.kill_now();
    disk_.add_ballast();  // and others take what is left
  }
  Ran command(std::vector<std::string> line) {
    line.insert(line.end(), {"--store", disk_.path("store")});
    return bare(line);
  }
  void expect_done(const std::vector<std::string>& line) {
    const Ran ran = command(line);
    EXPECT_EQ(ran.exit, 0) << line[0] << " " << line[1] << ": " << ran.err;
  }
  uint64_t reserve_bytes() {
    struct stat s {};
    return stat(disk_.path("store/RESERVE").c_str(), &s) == 0 ? static_cast<uint64_t>(s.st_size) : 0;
  }

  MountedDisk disk_;
  Acknowledged* page_ = nullptr;
};

TEST_P(GiveBack, EraseAndFinishWorkOnAFullDiskAndNothingElseIsLost) {
  fill();
  if (HasFailure()) {
    return;
  }
  expect_acknowledged(disk_.path("store"), *page_);
  ASSERT_GT(page_->runs, 60);
  for (int i = 0; i < 6; ++i) {
    disk_.add_ballast();
    expect_done({"finish", Worker::id(i)});
    EXPECT_THAT(command({"show", Worker::id(i)}).out, HasSubstr("COMPLETED"));
    expect_done({"erase", Worker::id(i)});
    page_->erased[i] = true;
    if (HasFailure()) {
      return;
    }
  }
  expect_acknowledged(disk_.path("store"), *page_);
  EXPECT_EQ(command({"verify"}).exit, 0);

  const Ran refused = command({"set", Worker::id(30), "n", std::to_string(page_->sequence[30] + 1)});
  EXPECT_THAT(refused.exit, AnyOf(0, 73)) << refused.err;  // 0: the log has room, and the reserve is whole
  if (refused.exit == 73) {
    EXPECT_THAT(refused.err, HasSubstr("erase"));
    printf("mounts: %s: a set is refused: %s", GetParam().name, refused.err.c_str());
  }

  disk_.remove_ballast();
  page_->erased[30] = true;
  expect_done({"erase", Worker::id(30)});
  expect_done({"start", "--id", "with-space"});
  EXPECT_EQ(reserve_bytes(), engine::kReserveBytes);
  expect_done({"erase", "with-space"});
  expect_acknowledged(disk_.path("store"), *page_);
}

INSTANTIATE_TEST_SUITE_P(Stores, GiveBack,
                         ::testing::Values(FullStore{"Tmpfs8MiBKilled", 0, 256u << 10, false},
                                           FullStore{"Tmpfs8MiBClosed", 0, 256u << 10, true},
                                           FullStore{"Ext4Loop24MiBKilled", 24u << 20, 4u << 20, false},
                                           FullStore{"Ext4Loop24MiBClosed", 24u << 20, 4u << 20, true}),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace cairn::tests
