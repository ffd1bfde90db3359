// The history: sampled in steps, once an interval, bounded.
#include "engine/store/history.h"

#include <string>

#include "tests/support/crashing_store.h"
#include "tests/support/fake_clock.h"

namespace cairn::tests {
namespace {

class HistoryTest : public CrashingStoreTest {
 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  void open_with(uint32_t interval_ms, uint32_t points) {
    engine::StoreOptions o = options();
    testing::use_clock(o.hooks, *this);
    o.mark_crashed = false;
    o.history_interval_ms = interval_ms;
    o.history_points = points;
    open(o);
    begin_us_ = clock_.wall_us;
  }
  void step_in(int64_t ms) {
    clock_.advance_ms(ms);
    ASSERT_TRUE(store_->step(0).ok());
  }
  /// "0:1 10:2": milliseconds and values.
  std::string points(const std::string& id, const std::string& key) {
    std::string text;
    const auto view = store_->peek(id, false);
    store_->history()->each(id, (*view)->record.created_lsn, key, [&](int64_t time_us, double value) {
      text += (text.empty() ? "" : " ") + std::to_string((time_us - begin_us_) / 1000) + ":" +
              engine::to_json(engine::Value(value));
    });
    return text;
  }

  testing::FakeClock clock_;
  int64_t begin_us_ = 0;
};

TEST_F(HistoryTest, IsOffUnlessItIsAskedFor) {
  open_with(0, 10);
  EXPECT_EQ(store_->history(), nullptr);
}

TEST_F(HistoryTest, KeepsNumbersThatChangedOncePerInterval) {
  open_with(100, 10);
  const auto run = start("a");
  ASSERT_EQ(set(run, "n", "1"), Code::kOk);
  ASSERT_EQ(set(run, "name", "\"text\""), Code::kOk);
  ASSERT_EQ(set(run, "share", "0.25"), Code::kOk);
  step_in(100);
  for (int i = 2; i <= 9; ++i) {
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
    step_in(30);
  }
  EXPECT_EQ(points("a", "n"), "100:1 220:5 340:9");
  EXPECT_EQ(points("a", "share"), "100:0.25") << "no point where nothing changed";
  EXPECT_EQ(points("a", "name"), "");
  EXPECT_EQ(points("a", "absent"), "");
}

TEST_F(HistoryTest, TheOldestPointsOfARunGoFirst) {
  open_with(10, 4);
  const auto run = start("a");
  for (int i = 1; i <= 6; ++i) {
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
    step_in(10);
  }
  EXPECT_EQ(points("a", "n"), "30:3 40:4 50:5 60:6");
  ASSERT_EQ(set(run, "m", "1"), Code::kOk);
  step_in(10);
  EXPECT_EQ(points("a", "n"), "40:4 50:5 60:6") << "the points are of all keys together";
  EXPECT_EQ(points("a", "m"), "70:1");
}

TEST_F(HistoryTest, RunsThatChangedLongestAgoGoFirst) {
  open_with(10, engine::History::kPointsMax);
  const size_t runs = engine::History::kBytesMax / (size_t{engine::History::kPointsMax} * 24);
  ASSERT_GE(runs, 2U);
  for (size_t i = 0; i <= runs; ++i) {
    ASSERT_EQ(set(start("r" + std::to_string(i)), "n", "1"), Code::kOk);
    step_in(10);
    ASSERT_TRUE(store_->barrier().ok());
  }
  EXPECT_EQ(store_->history()->runs(), runs);
  EXPECT_EQ(points("r0", "n"), "");
  EXPECT_NE(points("r1", "n"), "");
}

TEST_F(HistoryTest, AnErasedRunTakesItsHistoryWithIt) {
  open_with(10, 10);
  ASSERT_EQ(set(start("a"), "n", "1"), Code::kOk);
  step_in(10);
  ASSERT_TRUE(store_->erase("a").ok());
  step_in(10);
  EXPECT_EQ(store_->history()->runs(), 0U);
  ASSERT_EQ(set(start("a"), "n", "2"), Code::kOk);
  step_in(10);
  EXPECT_EQ(points("a", "n"), "30:2");
  ASSERT_TRUE(store_->erase("a").ok());
  ASSERT_EQ(set(start("a"), "n", "3"), Code::kOk);
  EXPECT_EQ(points("a", "n"), "") << "of the run before it";
  step_in(10);
  EXPECT_EQ(points("a", "n"), "40:3");
}

TEST_F(HistoryTest, AnIdleStoreIsNotWokenForIt) {
  open_with(10, 10);
  const auto due_in = [this] { return store_->next_deadline() - clock_.monotonic_ms; };
  const auto run = start("a");
  EXPECT_LE(due_in(), 10);
  step_in(1000);
  step_in(1100);  // the idle note
  step_in(10);
  EXPECT_GE(due_in(), 60'000);
  ASSERT_EQ(set(run, "n", "1"), Code::kOk);
  EXPECT_LE(due_in(), 10);
  step_in(10);
  EXPECT_EQ(due_in(), 10) << "a dirty run may change without a word";
  EXPECT_EQ(points("a", "n"), "2120:1");
}

TEST_F(HistoryTest, WhatBecomesDirtyFirstWakesTheStoreForIt) {
  engine::StoreOptions o = options();
  o.crash_grace_ms = 3'600'000;
  o.flush_interval_ms = 3'600'000;
  o.history_interval_ms = 20;
  o.background = true;
  open(o);
  const auto run = start("a");
  ASSERT_TRUE(store_->barrier().ok());
  for (int i = 1; i <= 3; ++i) {
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
    for (int wait = 0; wait < 2000 && points("a", "n").find(":" + std::to_string(i)) == std::string::npos; ++wait) {
      usleep(5000);
    }
    EXPECT_NE(points("a", "n").find(":" + std::to_string(i)), std::string::npos);
    ASSERT_TRUE(store_->barrier().ok());
  }
}

TEST_F(HistoryTest, ImpossibleSizesAreRefused) {
  engine::StoreOptions o = options();
  o.history_points = 0;
  EXPECT_EQ(engine::Store::open(o).code(), Code::kInvalidArgument);
  o.history_points = engine::History::kPointsMax + 1;
  EXPECT_EQ(engine::Store::open(o).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::tests
