// Growth of the map, full disks, readers that pin pages.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <fstream>
#include <random>
#include <thread>

#include "engine/tables/tables.h"
#include "tables_fixture.h"

namespace cairn::engine {
namespace {

namespace fs = std::filesystem;

class TablesSpace : public TablesFixture {
 protected:
  void refuse_growth() {
    may_grow_ = [](uint64_t) { return Status{Code::kNoSpace, "budget"}; };
  }
};

TEST_F(TablesSpace, MapOfOneMebibyteGrowsUnderManyRuns) {
  std::vector<uint64_t> asked;
  may_grow_ = [&](uint64_t bytes) {
    asked.push_back(bytes);
    return Status();
  };
  open();
  ASSERT_EQ(tables_->stats().map_bytes, 1u << 20);
  must_write(many(0, 20000, 1000), 5);
  EXPECT_EQ(tables_->stats().runs, 20000U);
  EXPECT_GT(tables_->stats().map_bytes, 20u << 20);
  ASSERT_FALSE(asked.empty());
  EXPECT_EQ(asked.back(), tables_->stats().map_bytes);
  EXPECT_EQ(damage(), "");
  open();
  EXPECT_EQ(text(id(19999)), std::string(1000, 'x'));
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesSpace, OverwritingForeverNeedsNoGrowth) {
  refuse_growth();
  open();
  for (int round = 0; round < 300; ++round) {
    must_write(many(0, 100, 1000, static_cast<char>('a' + round % 26)));
  }
  EXPECT_EQ(tables_->stats().map_bytes, 1u << 20);
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesSpace, RefusedGrowthIsNoSpaceAndEndsWhenAllowed) {
  bool allowed = false;
  may_grow_ = [&](uint64_t) { return allowed ? Status() : Status{Code::kNoSpace, "budget"}; };
  open();
  must_write(many(0, 300, 1000), 1);
  const Status s = write(many(0, 3000, 1000, 'y'), 2);
  EXPECT_EQ(s.code, Code::kNoSpace);
  EXPECT_EQ(tables_->applied_lsn(), 1U);
  EXPECT_EQ(text(id(299)).size(), 1000U);
  EXPECT_EQ(damage(), "");
  must_write({put(id(7), std::string(1000, 'z'))}, 1);  // takes no more than before
  allowed = true;
  must_write(many(0, 3000, 1000, 'y'), 2);
  EXPECT_EQ(text(id(2999)), std::string(1000, 'y'));
  EXPECT_TRUE(tables_->sync().ok());
  EXPECT_EQ(damage(), "");
}

// What a write overwrites is free only after the next one. A write that takes the last free pages must not keep the
// erases out that would give space back.
TEST_F(TablesSpace, WhateverWasWrittenUntilItWasFullARunCanBeErased) {
  refuse_growth();
  std::mt19937_64 random(20261130);
  for (int fill = 0; fill < 12 && !HasFailure(); ++fill) {
    tables_.reset();
    fs::remove_all(options().directory + "/data");
    open();
    tables_->ship(fill % 2 == 1);  // then an update writes more indexes
    int runs = 0;
    Status s;
    for (int64_t time_us = 1; s.ok(); ++time_us) {
      std::vector<Tables::Change> changes;
      const auto count = static_cast<int>(1 + random() % 120);
      const size_t bytes = random() % 400;
      for (int i = 0; i < count; ++i) {
        const bool anew = runs == 0 || random() % 3 == 0;
        const int run = anew ? runs++ : static_cast<int>(random() % static_cast<uint64_t>(runs));
        RunRecord r = record(id(run), std::string(bytes, 'x'));
        r.updated_us = time_us;
        changes.push_back(put(std::move(r)));
      }
      s = write(std::move(changes));
    }
    ASSERT_EQ(s.code, Code::kNoSpace);
    for (int i = 0; i < 60; ++i) {
      // The first frees next to nothing. The second takes no more than before, and may copy all that is free.
      ASSERT_TRUE(write({}, static_cast<uint64_t>(i) + 1).ok());
      std::vector<Tables::Change> changes;
      const auto count = static_cast<int>(random() % 80);
      for (int k = 0; k < count; ++k) {
        const int run = 60 + static_cast<int>(random() % static_cast<uint64_t>(runs - 60));
        if (auto old = tables_->find(id(run)); old.ok() && *old) {
          changes.push_back(put(std::move(**old)));
        }
      }
      const Status again = write(std::move(changes));
      ASSERT_TRUE(again.ok() || again.code == Code::kNoSpace) << again.what;
      const Status erased = write({erase(id(i))});
      ASSERT_TRUE(erased.ok()) << "fill " << fill << ", erase " << i << " of " << runs << ": " << erased.what;
    }
    EXPECT_TRUE(write(many(0, 50, 100)).ok());
  }
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesSpace, IdleSnapshotIsEndedWhenTheMapMustGrow) {
  open();
  must_write({put("a", "1")});
  const auto snapshot = tables_->snapshot();
  ASSERT_TRUE(snapshot.ok());
  must_write(many(0, 3000, 1000));
  EXPECT_EQ((*snapshot)->find("a").code(), Code::kAgain);
  EXPECT_EQ((*snapshot)->each("", [](const RunRecord&) { return true; }).code, Code::kAgain);
  EXPECT_EQ(text(id(2999)).size(), 1000U);
}

TEST_F(TablesSpace, BusySnapshotMakesGrowthWaitThenAgain) {
  open();
  must_write({put("a", "1")});
  const auto snapshot = tables_->snapshot();
  ASSERT_TRUE(snapshot.ok());
  Status grown;
  const Status read = (*snapshot)->each("", [&](const RunRecord&) {
    grown = write(many(0, 3000, 1000), 2);
    return true;
  });
  EXPECT_TRUE(read.ok());
  EXPECT_EQ(grown.code, Code::kAgain);
  must_write(many(0, 3000, 1000), 2);
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesSpace, ReaderOfAnotherProcessPinsPagesUntilItIsKilled) {
  open();
  must_write(many(0, 100, 1000), 1);
  ChildProcess reader([this](ChildProcess& self) {
    (void)tables_.release();  // the parent's
    const auto tables = opened_read_only();
    const auto snapshot = tables->snapshot();
    EXPECT_TRUE((*snapshot)->find(id(0))->has_value());
    self.go();
    self.wait();
  });
  reader.wait();
  refuse_growth();
  open();
  const auto overwrite = [&] {
    Status s;
    for (int round = 0; round < 40 && s.ok(); ++round) {
      s = write(many(0, 100, 1000, 'y'));
    }
    return s.code;
  };
  EXPECT_EQ(overwrite(), Code::kNoSpace);  // the reader lives, so its pages stay
  reader.kill_now();
  EXPECT_EQ(overwrite(), Code::kOk);
  EXPECT_EQ(tables_->stats().map_bytes, 1u << 20);
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesSpace, WriterKilledInMidWriteLeavesAWholeState) {
  for (int round = 0; round < 10; ++round) {
    ChildProcess writer([this](ChildProcess& self) {
      open();
      self.go();
      for (uint64_t lsn = tables_->applied_lsn() + 1;; ++lsn) {
        must_write(many(0, 400, 1000, static_cast<char>('a' + lsn % 26)), lsn);
      }
    });
    writer.wait();
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * round));
    writer.kill_now();
    open();
    EXPECT_EQ(damage(), "");
    if (tables_->applied_lsn() > 0) {
      const std::string all(1000, static_cast<char>('a' + tables_->applied_lsn() % 26));
      EXPECT_EQ(text(id(0)), all);
      EXPECT_EQ(text(id(399)), all);
    }
    close();
  }
}

TEST_F(TablesSpace, FullDiskIsNoSpaceKeepsDataAndEndsWithSpace) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  in_child([this] {
    unshare_mounts();
    ASSERT_EQ(mount("tmpfs", directory_.c_str(), "tmpfs", 0, "size=8m,mode=0700"), 0);
    map_bytes_ = 16u << 20;
    open();
    must_write(many(0, 500, 1000), 1);
    {
      std::ofstream filler(directory_ + "/filler", std::ios::binary);
      const std::string block(64u << 10, 'f');
      for (int i = 0; i < 200 && filler; ++i) {
        filler << block << std::flush;
      }
    }
    for (int round = 0; round < 3; ++round) {
      const Status s = write(many(0, 4000, 1000, 'y'), 2);
      EXPECT_EQ(s.code, Code::kNoSpace) << s.what << " " << s.cause;
      EXPECT_EQ(tables_->applied_lsn(), 1U);
      EXPECT_EQ(text(id(0)), std::string(1000, 'x'));
      EXPECT_EQ(damage(), "");
    }
    open();  // also works when full
    EXPECT_EQ(text(id(499)), std::string(1000, 'x'));
    fs::remove(directory_ + "/filler");
    must_write(many(0, 1000, 1000, 'y'), 2);
    EXPECT_TRUE(tables_->sync().ok());
    EXPECT_EQ(text(id(999)), std::string(1000, 'y'));
    EXPECT_EQ(damage(), "");
    close();
  });
}

TEST_F(TablesSpace, BirthOnAFullDiskIsNoSpaceAndLeavesNothing) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  in_child([this] {
    unshare_mounts();
    ASSERT_EQ(mount("tmpfs", directory_.c_str(), "tmpfs", 0, "size=256k,mode=0700"), 0);
    for (int pages = 64; pages >= 0; --pages) {
      std::ofstream(directory_ + "/filler", std::ios::binary) << std::string(static_cast<size_t>(pages) * 4096, 'f');
      const Result<std::unique_ptr<Tables>> t = try_open();
      if (t.ok()) {
        EXPECT_LT(pages, 60);
        EXPECT_EQ(damage_of(**t), "");
        break;
      }
      EXPECT_EQ(t.code(), Code::kNoSpace) << pages << " " << t.status().what << " " << t.status().cause;
      EXPECT_FALSE(fs::exists(directory_ + "/data"));
      EXPECT_FALSE(fs::exists(directory_ + "/data.tmp"));
      ASSERT_GT(pages, 0);
    }
  });
}

}  // namespace
}  // namespace cairn::engine
