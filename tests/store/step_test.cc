// What a step does and when the next one is due: nothing is starved, nothing wakes an idle store.
#include <poll.h>
#include <sys/resource.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/crashing_store.h"
#include "tests/support/fake_clock.h"

namespace cairn::tests {
namespace {

using engine::Durability;
using engine::OperationType;

class Steps : public CrashingStoreTest {
 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  engine::StoreOptions timed() {
    engine::StoreOptions o = options();
    testing::use_clock(o.hooks, *this);
    o.mark_crashed = false;
    return o;
  }
  int64_t due_in() { return store_->next_deadline() - clock_.monotonic_ms; }
  /// About 4 KiB of log.
  void log_some(const engine::RunRef& run, int i) {
    ASSERT_EQ(set(run, "text", "\"" + std::string(3900, static_cast<char>('a' + i % 26)) + "\""), Code::kOk);
    ASSERT_TRUE(store_->set_tags(*run, {"tag"}).ok());
  }
  /// Steps until nothing is due within a second, as an event loop would.
  void step_while_due(int64_t budget_us) {
    for (int i = 0; i < 100 && due_in() <= 0; ++i) {
      ASSERT_TRUE(store_->step(budget_us).ok());
    }
  }

  testing::FakeClock clock_;
};

TEST_F(Steps, AnIdleStoreIsLeftAlone) {
  engine::StoreOptions o = timed();
  o.flush_interval_ms = 100;
  open(o);
  const engine::RunRef run = start("a");
  ASSERT_EQ(set(run, "n", "1"), Code::kOk);
  EXPECT_LE(due_in(), 100);
  clock_.advance_ms(100);
  ASSERT_TRUE(store_->step(0).ok());
  clock_.advance_ms(1100);  // the idle note
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_GE(due_in(), 60'000) << "nothing is due";
  const auto before = store_->stats();
  clock_.advance_ms(60'000);
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(store_->stats().wal.bytes, before.wal.bytes) << "nothing is written when nothing changes";
  EXPECT_EQ(store_->stats().wal.syncs, before.wal.syncs);
  ASSERT_EQ(set(run, "n", "2"), Code::kOk);
  EXPECT_LE(due_in(), 100);
}

TEST_F(Steps, WhatBecomesDirtyFirstWakesAnIdleStore) {
  engine::StoreOptions o = options();
  o.flush_interval_ms = 20;
  o.crash_grace_ms = 3'600'000;
  open(o);
  const engine::RunRef run = start("a");
  pollfd fd{store_->wait_fd(), POLLIN, 0};
  const auto step_when_woken = [&] { return poll(&fd, 1, 20'000) == 1 && store_->step(0).ok(); };
  const auto due_in_ms = [this] {
    const engine::Hooks& hooks = store_->options().hooks;
    return store_->next_deadline() - hooks.monotonic_ms(hooks.context);
  };
  for (int i = 0; i < 2; ++i) {
    while (due_in_ms() < 600'000) {  // also the idle note: then nothing but the update can wake it
      ASSERT_TRUE(step_when_woken()) << "nobody woke the store";
    }
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
    const uint64_t epoch = store_->epoch();
    while (store_->durable_epoch() < epoch) {
      ASSERT_TRUE(step_when_woken()) << "nobody woke the store";
    }
  }
}

// A sync that takes longer than the budget of a step must not keep the checkpoint from its turn.
TEST_F(Steps, ASmallBudgetDoesNotStarveTheCheckpoint) {
  open(timed());
  files_->before = [this](FileCall call, const std::string&) {
    if (call == FileCall::kSync) {
      clock_.advance_ms(4);
    }
  };
  const engine::RunRef run = start("a");
  for (int i = 0; i < 600; ++i) {
    log_some(run, i);
    if (i % 8 == 7) {
      clock_.advance_ms(1000);
      for (int steps = 0; steps < 10 && due_in() <= 0; ++steps) {
        ASSERT_TRUE(store_->set_tags(*run, {"meanwhile"}).ok());  // there is always something to sync
        ASSERT_TRUE(store_->step(1000).ok());
      }
    }
  }
  const auto stats = store_->stats();
  EXPECT_GE(stats.checkpoints, 5U);
  EXPECT_LE(stats.wal_bytes, 4 * options().segment_bytes);
}

TEST_F(Steps, ALogThatGrowsIsLookedAfterHoweverLongTheFlushInterval) {
  engine::StoreOptions o = timed();
  o.flush_interval_ms = 3'600'000;
  o.durability = Durability::kPower;
  open(o);
  const engine::RunRef run = start("a");
  ASSERT_TRUE(store_->step(0).ok());
  pollfd fd{store_->wait_fd(), POLLIN, 0};
  for (int i = 0; i < 600; ++i) {
    log_some(run, i);
    if (due_in() <= 0) {
      EXPECT_EQ(poll(&fd, 1, 20'000), 1);
      step_while_due(0);
    }
  }
  EXPECT_LE(store_->stats().wal_bytes, 4 * options().segment_bytes);
  EXPECT_GE(store_->stats().checkpoints, 5U);
}

TEST_F(Steps, NoRoomForASpareDelaysNoFlush) {
  engine::StoreOptions o = timed();
  o.flush_interval_ms = 50;
  open(o);
  const engine::RunRef run = start("a");
  for (int i = 0; i < 20; ++i) {
    log_some(run, i);
  }
  files_->fail({FileCall::kOpen, 1, kFull, true});
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
    EXPECT_LE(due_in(), 50);
    const uint64_t flushes = store_->stats().flushes;
    clock_.advance_ms(50);
    EXPECT_TRUE(store_->step(0).ok()) << "updates and flushes work";
    EXPECT_GT(store_->stats().flushes, flushes);
  }
}

TEST_F(Steps, ABarrierThatFindsSpaceAgainOpensTheGate) {
  open(timed());
  const engine::RunRef run = start("a");
  ASSERT_EQ(set(run, "n", "1"), Code::kOk);
  files_->fail({FileCall::kWrite, 1, kFull, true});
  EXPECT_EQ(store_->barrier().code, Code::kNoSpace);
  EXPECT_EQ(set(run, "n", "2"), Code::kNoSpace);
  files_->fail_none();
  EXPECT_TRUE(store_->barrier().ok());
  EXPECT_EQ(set(run, "n", "3"), Code::kOk);
}

TEST_F(Steps, RunsThatWereOnlyLookedAtLeaveMemory) {
  open(timed());
  constexpr int kRuns = 3000;
  for (int i = 0; i < kRuns; ++i) {
    ASSERT_TRUE(store_->finish(*start("r" + std::to_string(i)), engine::RunStatus::kCompleted).ok());
  }
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(store_->stats().runs_hot, 0U);
  for (int i = 0; i < kRuns; ++i) {
    ASSERT_NE(find("r" + std::to_string(i)), nullptr);
  }
  EXPECT_EQ(store_->stats().runs_hot, uint64_t{kRuns});
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(store_->stats().runs_hot, 0U);
}

TEST_F(Steps, CrashMarksComeInPartsAndAllOfThem) {
  engine::StoreOptions o = timed();
  o.mark_crashed = true;
  o.crash_grace_ms = 100;
  open(o);
  constexpr int kRuns = 2500;
  for (int i = 0; i < kRuns; ++i) {
    start("r" + std::to_string(i));
  }
  kill();
  clock_.advance_ms(100);
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_LT(store_->stats().runs_hot, uint64_t{kRuns}) << "not all in one step";
  EXPECT_LE(due_in(), 0) << "the rest is due at once";
  step_while_due(0);
  int crashed = 0;
  ASSERT_TRUE(store_
                  ->each([&](const engine::RunView& v) {
                    crashed += v.record.status == engine::RunStatus::kCrashed ? 1 : 0;
                    return true;
                  })
                  .ok());
  EXPECT_EQ(crashed, kRuns);
}

/// Several who wait for the same share a sync. The first one stands in its sync until all others wait.
class Together : public Steps {
 protected:
  template <class Call>
  uint64_t syncs_of(int threads, Call call) {
    std::atomic<int> waiting{0};
    std::atomic<bool> first{true};
    files_->before = [&](FileCall c, const std::string& name) {
      if (c == FileCall::kSync && name.starts_with("wal/") && first.exchange(false)) {
        while (waiting < threads) {
          std::this_thread::yield();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));  // they are in the call by now
      }
    };
    const uint64_t before = store_->stats().wal.syncs;
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([&, i] {
        ++waiting;
        call(i);
      });
    }
    for (std::thread& t : all) {
      t.join();
    }
    files_->before = nullptr;
    return store_->stats().wal.syncs - before;
  }
};

TEST_F(Together, PowerStartsShareASync) {
  open();
  EXPECT_LE(syncs_of(16,
                     [this](int i) {
                       engine::StartOptions o;
                       o.id = "r" + std::to_string(i);
                       EXPECT_TRUE(store_->start(o, Durability::kPower).ok());
                     }),
            4U);
}

TEST_F(Together, BarriersAndWaitersOfAnEpochShareAFlush) {
  open();
  const engine::RunRef run = start("a");
  ASSERT_EQ(set(run, "n", "1"), Code::kOk);
  const uint64_t epoch = store_->epoch();
  const uint64_t before = store_->stats().flushes;
  syncs_of(16, [&](int i) { EXPECT_TRUE(i % 2 == 0 ? store_->barrier().ok() : store_->wait_durable(epoch, -1).ok()); });
  EXPECT_LE(store_->stats().flushes - before, 4U);
  EXPECT_GE(store_->durable_epoch(), epoch);
}

TEST_F(Steps, WithoutAnIntervalWhatChangesIsDurableSoonAndNothingIsWrittenWhenNothingDoes) {
  engine::StoreOptions o = options();
  o.flush_interval_ms = 0;
  o.background = true;
  open(o);
  const engine::RunRef run = start("r");
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
    const uint64_t epoch = store_->epoch();
    for (int wait = 0; wait < 10'000 && store_->durable_epoch() < epoch; ++wait) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_GE(store_->durable_epoch(), epoch) << "after 10 s";
  }
  const auto before = store_->stats();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto after = store_->stats();
  EXPECT_EQ(after.flushes, before.flushes);
  EXPECT_EQ(after.written_lsn, before.written_lsn);
}

}  // namespace
}  // namespace cairn::tests
