// Real disks that are full: NO_SPACE and no signal, nothing acknowledged is lost, and it works again with space,
// without an open.
#include <dirent.h>
#include <gmock/gmock.h>

#include "tests/mounts/worker.h"
#include "tests/support/mounted_disk.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

enum class Kind { kTmpfs, kExt4, kBudget };

class FullDisk : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    page_ = Acknowledged::make();
    ASSERT_NE(page_, nullptr);
    if (GetParam() == Kind::kBudget) {
      ASSERT_EQ(mkdir(disk_.path().c_str(), 0700), 0);
      return;
    }
    CAIRN_NEEDS_MOUNTS();
    if (GetParam() == Kind::kTmpfs) {
      disk_.mount_tmpfs(8u << 20);
      disk_.add_ballast(2u << 20);
    } else {
      disk_.mount_ext4(24u << 20);
      disk_.add_ballast(14u << 20);
    }
  }
  engine::StoreOptions options() {
    engine::StoreOptions o;
    o.directory = disk_.path("store");
    o.segment_bytes = 256u << 10;
    if (GetParam() == Kind::kBudget) {
      o.disk_bytes_max = 8u << 20;
    }
    return o;
  }
  void give_space(Worker& worker) {
    if (GetParam() != Kind::kBudget) {
      disk_.remove_ballast();
      return;
    }
    for (int i = page_->runs / 2; i < page_->runs - 1; ++i) {
      worker.erase(i);
      if (i % 8 == 0) {
        (void)worker.store().step(0);
      }
    }
  }
  void expect_refusal() const {
    EXPECT_GT(page_->runs, 100);
    EXPECT_THAT(page_->refusal, ::testing::AnyOf(HasSubstr("full"), HasSubstr("found no space")));
  }
  /// Sums what the files take; a budget is a promise about them.
  uint64_t disk_bytes() {
    uint64_t sum = 0;
    for (const char* part : {"", "/wal", "/staging", "/data"}) {
      const std::string directory = options().directory + part;
      DIR* listing = opendir(directory.c_str());
      while (const dirent* entry = readdir(listing)) {
        struct stat s {};
        if (stat((directory + "/" + entry->d_name).c_str(), &s) == 0 && S_ISREG(s.st_mode)) {
          sum += static_cast<uint64_t>(s.st_blocks) * 512;
        }
      }
      closedir(listing);
    }
    return sum;
  }
  void report(const char* what) const {
    const char* names[] = {"tmpfs 8 MiB", "ext4 24 MiB", "budget 8 MiB"};
    printf("mounts: %s, %s: %d runs, %d updates, %d power, %d transactions\n", names[static_cast<size_t>(GetParam())],
           what, page_->runs.load(), page_->updates.load(), page_->power.load(), page_->transactions.load());
  }

  MountedDisk disk_;
  Acknowledged* page_ = nullptr;
};

TEST_P(FullDisk, RefusesUpdatesLosesNothingAndWorksAgainWithSpace) {
  ChildProcess child([this](ChildProcess& self) {
    Worker worker(options(), *page_);
    worker.open();
    worker.fill();
    // What is there can be read, and every update says the same.
    EXPECT_THAT(worker.json(0), HasSubstr("\"n\":" + std::to_string(page_->sequence[0])));
    EXPECT_EQ(set_double(worker.store(), **worker.store().find("run-1"), "x", 1).code, Code::kNoSpace);
    EXPECT_EQ(worker.update(1, 0).code, Code::kNoSpace);
    EXPECT_THAT(engine::error_detail().message, HasSubstr("free some"));
    EXPECT_EQ(worker.update(1, 2).code, Code::kNoSpace);
    EXPECT_EQ(worker.update(1, 4).code, Code::kNoSpace);
    if (GetParam() == Kind::kBudget) {
      EXPECT_EQ(worker.store().barrier().code, Code::kNoSpace);
    } else {
      EXPECT_TRUE(worker.store().barrier().ok()) << "the log has room for what was acknowledged";
    }
    if (::testing::Test::HasFailure()) {
      _exit(1);
    }
    self.go();
    self.wait();
    give_space(worker);
    const Status stepped = worker.store().step(0);
    EXPECT_TRUE(stepped.ok()) << engine::error_detail().message;
    for (int round = 0; round < 50; ++round) {
      for (int kind = 0; kind < 6; ++kind) {
        EXPECT_EQ(worker.update(round, kind).code, Code::kOk) << engine::error_detail().message;
      }
      EXPECT_TRUE(worker.store().step(0).ok()) << engine::error_detail().message;
    }
    if (::testing::Test::HasFailure()) {
      _exit(1);
    }
    self.go();
    for (int kind = 0;; kind = (kind + 1) % 6) {
      EXPECT_EQ(worker.update(2, kind).code, Code::kOk);
      if (::testing::Test::HasFailure()) {
        _exit(1);
      }
    }
  });
  child.wait();
  if (HasFailure()) {
    return;
  }
  expect_refusal();
  if (GetParam() == Kind::kBudget) {
    EXPECT_LE(disk_bytes(), 8u << 20);
  }
  expect_acknowledged(options().directory, *page_);
  child.go();
  child.wait();
  if (HasFailure()) {
    return;
  }
  child.kill_now();
  expect_acknowledged(options().directory, *page_);
  Worker next(options(), *page_);
  next.open();
  next.take_up(1);
  EXPECT_EQ(next.update(1, 2).code, Code::kOk);
  EXPECT_EQ(next.store().close(-1).code, Code::kOk);
  expect_acknowledged(options().directory, *page_);
  report("filled, freed, killed");
}

TEST_P(FullDisk, KilledWhileFullItOpensFullAndLosesNothing) {
  ChildProcess child([this](ChildProcess& self) {
    Worker worker(options(), *page_);
    worker.open();
    worker.fill();
    if (::testing::Test::HasFailure()) {
      _exit(1);
    }
    self.go();
    pause();
  });
  child.wait();
  if (HasFailure()) {
    return;
  }
  expect_refusal();
  child.kill_now();
  expect_acknowledged(options().directory, *page_);
  bool opened_full = false;
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto full = engine::Store::open(options());
    opened_full = full.ok();
    EXPECT_TRUE(full.ok()) << engine::error_detail().message;
    full = Status(Code::kNotFound);
    expect_acknowledged(options().directory, *page_);
  }
  if (GetParam() != Kind::kBudget) {
    disk_.remove_ballast();
  }
  Worker next(options(), *page_);
  next.open();
  expect_acknowledged(options().directory, *page_);
  if (GetParam() != Kind::kBudget) {
    next.take_up(1);
    EXPECT_EQ(next.update(1, 2).code, Code::kOk) << engine::error_detail().message;
    expect_acknowledged(options().directory, *page_);
  }
  report(opened_full ? "killed full, opened full" : "killed full, opened with space");
}

INSTANTIATE_TEST_SUITE_P(Kinds, FullDisk, ::testing::Values(Kind::kTmpfs, Kind::kExt4, Kind::kBudget),
                         [](const ::testing::TestParamInfo<Kind>& p) {
                           return std::string(p.param == Kind::kTmpfs  ? "Tmpfs8MiB"
                                              : p.param == Kind::kExt4 ? "Ext4Loop24MiB"
                                                                       : "Budget8MiB");
                         });

}  // namespace
}  // namespace cairn::tests
