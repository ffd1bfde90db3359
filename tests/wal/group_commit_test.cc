// Many callers, few syncs: who shares one, what each is told, and in which order.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/wal/log_fixture.h"

namespace cairn::wal {
namespace {

using testing::FileCall;

// Holds the first sync of a segment until it is let go.
class Gate {
 public:
  void pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    arrived_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void await_arrival() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return arrived_; });
  }
  void open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool arrived_ = false;
  bool open_ = false;
};

class GroupCommit : public LogFixture {
 protected:
  Result<uint64_t> append_one(const std::string& payload) {
    Writer::Append append(*writer);
    append.add(kTestType, payload);
    return append.commit();
  }
  // The first sync from now on stops at the gate.
  void hold_first_sync() {
    files.before = [this](FileCall call, const std::string&) {
      if (call == FileCall::kSync && !held_.exchange(true)) {
        gate_.pass();
      }
    };
  }
  // Waits until `count` more callers sleep behind the held sync; there is nothing to observe, so it is a guess in time
  // that only makes the test weaker when wrong.
  static void let_others_arrive() { std::this_thread::sleep_for(std::chrono::milliseconds(100)); }

  Gate gate_;
  std::atomic<bool> held_{false};
};

TEST_F(GroupCommit, ThoseWhoArriveDuringASyncShareTheNextOne) {
  open();
  const uint64_t syncs = writer->counters().syncs;
  hold_first_sync();
  std::vector<std::thread> threads;
  threads.emplace_back([this] { EXPECT_TRUE(writer->sync(*append_one("first")).ok()); });
  gate_.await_arrival();
  std::vector<uint64_t> lsns;
  for (int i = 0; i < 8; ++i) {
    lsns.push_back(*append_one("later"));
  }
  for (const uint64_t lsn : lsns) {
    threads.emplace_back([this, lsn] {
      EXPECT_TRUE(writer->sync(lsn).ok());
      EXPECT_GE(writer->durable_lsn(), lsn);
    });
  }
  let_others_arrive();
  EXPECT_EQ(writer->durable_lsn(), 0u);  // nobody is acknowledged before the first group
  gate_.open();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(writer->counters().syncs, syncs + 2);
  EXPECT_EQ(writer->durable_lsn(), 9u);
}

TEST_F(GroupCommit, AppendsGoOnDuringASync) {
  open();
  hold_first_sync();
  std::thread syncing([this] { EXPECT_TRUE(writer->sync(*append_one("a")).ok()); });
  gate_.await_arrival();
  EXPECT_EQ(*append_one("b"), 2u);
  EXPECT_EQ(writer->written_lsn(), 2u);
  gate_.open();
  syncing.join();
  EXPECT_EQ(writer->durable_lsn(), 1u);
}

TEST_F(GroupCommit, AfterAFailedSyncWaitingCallersGetIndeterminateAndLaterOnesLatchedAndItIsNeverRetried) {
  open();
  hold_first_sync();
  std::vector<std::thread> threads;
  threads.emplace_back([this] { EXPECT_EQ(writer->sync(*append_one("a")).code, Code::kIndeterminate); });
  gate_.await_arrival();
  const uint64_t lsn = *append_one("b");
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, lsn] { EXPECT_EQ(writer->sync(lsn).code, Code::kIndeterminate); });
  }
  let_others_arrive();
  const uint64_t syncs = files.count(FileCall::kSync);
  files.fail({FileCall::kSync, 1, {Code::kIo, "injected", 5}, false, 0});
  gate_.open();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(writer->latched());
  EXPECT_EQ(writer->sync(lsn).code, Code::kLatched);
  EXPECT_EQ(append_one("c").code(), Code::kLatched);
  EXPECT_EQ(files.count(FileCall::kSync), syncs + 1);
  EXPECT_EQ(writer->durable_lsn(), 0u);
}

TEST_F(GroupCommit, ASyncThatARotationMadeNeedlessIsNotDone) {
  open();
  hold_first_sync();
  std::thread syncing([this] { EXPECT_TRUE(writer->sync(*append_one("a")).ok()); });
  gate_.await_arrival();
  gate_.open();
  syncing.join();
  append("b");
  const uint64_t lsn = writer->written_lsn();
  rotate();
  const uint64_t syncs = files.count(FileCall::kSync);
  EXPECT_TRUE(writer->sync(lsn).ok());
  EXPECT_EQ(files.count(FileCall::kSync), syncs);
}

TEST_F(GroupCommit, ManyThreadsCommitAcrossRotationsAndRecyclingWithoutLoss) {
  constexpr int kThreads = 8;
  constexpr int kCommits = 150;
  open();
  std::atomic<uint64_t> acked_max{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t, &acked_max] {
      uint64_t before = 0;
      for (int i = 0; i < kCommits; ++i) {
        const Result<uint64_t> lsn =
            append_one(std::to_string(t) + "-" + std::to_string(i) + std::string(static_cast<size_t>(i) * 20, 'x'));
        ASSERT_TRUE(lsn.ok());
        ASSERT_GT(*lsn, before);
        before = *lsn;
        ASSERT_TRUE(writer->sync(*lsn).ok());
        ASSERT_GE(writer->durable_lsn(), *lsn);
        uint64_t seen = acked_max.load();
        while (seen < *lsn && !acked_max.compare_exchange_weak(seen, *lsn)) {
        }
      }
    });
  }
  std::thread step([this, &done] {
    while (!done.load()) {
      EXPECT_TRUE(writer->prepare_spare().ok());
      EXPECT_TRUE(writer->note_idle().ok());
      (void)writer->disk_bytes();
      (void)writer->counters();
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) {
    thread.join();
  }
  done = true;
  step.join();
  EXPECT_EQ(acked_max.load(), static_cast<uint64_t>(kThreads * kCommits));
  EXPECT_GT(writer->counters().rotations, 3u);
  EXPECT_EQ(writer->durable_lsn(), writer->written_lsn());
  power_cut();
  (void)replay();
  EXPECT_TRUE(report.damage.empty());
  EXPECT_EQ(report.last_lsn, static_cast<uint64_t>(kThreads * kCommits));
}

TEST_F(GroupCommit, ReadersFollowALivingLogWithoutSeeingDamage) {
  open();
  std::atomic<bool> done{false};
  std::thread reading([this, &done] {
    uint64_t last = 0;
    while (!done.load()) {
      ScanReport live;
      uint64_t expected = 0;
      const Status s = scan(
          disk, options.store, 1, 0,
          [&expected](const RecordView& record) {
            EXPECT_EQ(record.lsn, ++expected);
            return Status();
          },
          live);
      ASSERT_TRUE(s.ok()) << s.what;
      ASSERT_TRUE(live.damage.empty()) << live.damage[0].what;
      ASSERT_GE(live.last_lsn, last);
      last = live.last_lsn;
    }
  });
  for (int i = 0; i < 300; ++i) {
    append(std::string(static_cast<size_t>(i) * 11, 'x'));
    if (i % 3 == 0) {
      sync();
    }
  }
  done = true;
  reading.join();
}

}  // namespace
}  // namespace cairn::wal
