// The ranks of locks: what is taken out of order ends the process, where assertions are on.
#include "wal/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace cairn {
namespace {

// A lock with a number, as a run has one.
class NumberedLock {
 public:
  explicit NumberedLock(uint64_t number) : note_(LockRank::kRun, number) {}
  void lock() {
    note_.check_order();
    note_.locked();
  }
  void unlock() { note_.unlocked(); }

 private:
  LockNote note_;
};

class LockRanks : public ::testing::Test {
 protected:
  void SetUp() override {
#if !CAIRN_LOCK_RANKS
    GTEST_SKIP() << "no ranks in builds with NDEBUG";
#endif
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }

  Mutex step{LockRank::kStep};
  Mutex starts{LockRank::kStarts};
  Mutex append{LockRank::kAppend};
  Mutex dirty{LockRank::kDirtyRuns};
  Mutex flusher{LockRank::kFlusher};
};

TEST_F(LockRanks, RightOrdersPass) {
  for (int i = 0; i < 2; ++i) {
    const std::lock_guard first(step);
    const std::lock_guard second(starts);
    NumberedLock one(1);
    NumberedLock two(2);
    const std::lock_guard third(one);
    const std::lock_guard fourth(two);
    const std::lock_guard fifth(append);
    const std::lock_guard leaf(dirty);
  }
  const std::lock_guard again(step);
}

TEST_F(LockRanks, LocksMayBeGivenBackInAnyOrder) {
  step.lock();
  starts.lock();
  append.lock();
  starts.unlock();
  step.unlock();
  append.unlock();
  const std::lock_guard lowest(step);
}

TEST_F(LockRanks, AWrongOrderNamesBothLocks) {
  EXPECT_DEATH(
      {
        const std::lock_guard first(starts);
        const std::lock_guard second(step);
      },
      "the step is taken after starts, which comes later");
}

TEST_F(LockRanks, AWrongOrderIsSeenThroughLocksTakenBetween) {
  EXPECT_DEATH(
      {
        step.lock();
        append.lock();
        step.unlock();
        starts.lock();
      },
      "starts is taken after the append");
}

TEST_F(LockRanks, RunsGoByTheirNumbers) {
  EXPECT_DEATH(
      {
        NumberedLock three(3);
        NumberedLock two(2);
        three.lock();
        two.lock();
      },
      "a run 2 is taken after a run 3");
}

TEST_F(LockRanks, NothingIsLockedUnderALeaf) {
  EXPECT_DEATH(
      {
        const std::lock_guard leaf(dirty);
        const std::lock_guard other(flusher);
      },
      "the flusher is taken after the dirty runs");
}

TEST_F(LockRanks, ALockIsNotTakenTwice) {
  EXPECT_DEATH(
      {
        const std::lock_guard first(step);
        step.lock();
      },
      "the step is taken after the step");
}

TEST_F(LockRanks, ATryMayBeOutOfOrderAndIsRecorded) {
  starts.lock();
  ASSERT_TRUE(step.try_lock());
  append.lock();
  append.unlock();
  step.assert_held();
  step.unlock();
  EXPECT_DEATH(step.assert_held(), "the step is not held by this thread");
  ASSERT_TRUE(step.try_lock());
  EXPECT_DEATH(starts.lock(), "starts is taken after starts");
  step.unlock();
  starts.unlock();
}

TEST_F(LockRanks, ManyRunsAreHeldWithoutMemory) {
  std::vector<std::unique_ptr<NumberedLock>> runs;
  for (uint64_t number = 1; number <= 10'000; ++number) {
    runs.push_back(std::make_unique<NumberedLock>(number));
    runs.back()->lock();
  }
  for (const auto& run : runs) {
    run->unlock();
  }
  const std::lock_guard lowest(step);
}

TEST_F(LockRanks, AWaitGivesTheMutexBack) {
  CondVar changed;
  bool ready = false;
  std::thread other;
  {
    const MutexLock lock(starts);
    other = std::thread([&] {
      const MutexLock first(step);
      const MutexLock second(starts);
      ready = true;
      changed.notify_one();
    });
    while (!ready) {
      changed.wait(starts);
    }
    starts.assert_held();
    EXPECT_FALSE(changed.wait_until(starts, std::chrono::steady_clock::now()));
    starts.assert_held();
  }
  other.join();
  EXPECT_DEATH(starts.assert_held(), "starts is not held by this thread");
}

TEST_F(LockRanks, AThreadCannotGiveBackWhatAnotherHolds) {
  EXPECT_DEATH(
      {
        std::optional<std::lock_guard<Mutex>> held(step);
        std::thread([this] { step.unlock(); }).join();
      },
      "the step is given back by a thread that does not hold it");
}

}  // namespace
}  // namespace cairn
