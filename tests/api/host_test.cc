// What the host brings: files, clock, log, random numbers; its loop; and its disk's failures.
#include <poll.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "tests/api/host_fixture.h"

namespace cairn::tests {
namespace {

using testing::FileCall;

class Host : public HostTest {};

TEST_F(Host, FilesCarryTheLogAndStaging) {
  EXPECT_GT(faults_->count(FileCall::kOpen), 0u);
  const uint64_t before = faults_->count(FileCall::kWrite);
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_));
  EXPECT_GT(faults_->count(FileCall::kWrite), before);
  EXPECT_GT(faults_->count(FileCall::kSync), 0u);
  reopen();
  EXPECT_EQ(current(), "{\"a\":2}");
}

TEST_F(Host, ClockAndRandomNumbersAreTheHosts) {
  EXPECT_GT(context_.random_calls, 0);
  context_.wall_us = 1'700'000'123'456'789;
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  cairn_run_info info = {};
  info.struct_bytes = sizeof info;
  char block[256];
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_info(run_, &info, block, sizeof block, &needed));
  EXPECT_EQ(info.created_us, 1'700'000'000'000'000);
  EXPECT_EQ(info.updated_us, 1'700'000'123'456'789);
}

TEST_F(Host, FlushesContinuouslyAreDueWithoutAnyTimePassing) {
  close_run();
  close();
  cairn_options o = options();
  o.hooks = &hooks_;
  o.flush_interval_ms = CAIRN_FLUSH_CONTINUOUSLY;
  open(o);
  CAIRN_ASSERT_OK(cairn_run_resume(store_, "r", &run_));
  for (int i = 0; i < 3; ++i) {
    CAIRN_EXPECT(CAIRN_OK, set("a", i));
    uint64_t epoch = 0;
    uint64_t durable = 0;
    CAIRN_EXPECT(CAIRN_OK, cairn_store_epoch(store_, &epoch));
    int64_t in_ms = -1;
    CAIRN_EXPECT(CAIRN_OK, cairn_store_next_deadline_ms(store_, &in_ms));
    EXPECT_EQ(in_ms, 0);
    CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
    EXPECT_GE(durable, epoch);
    CAIRN_EXPECT(CAIRN_OK, cairn_store_next_deadline_ms(store_, &in_ms));
    EXPECT_GT(in_ms, 0) << "nothing has changed";
  }
}

TEST_F(Host, StepFlushesWhenTheHostsClockSaysSo) {
  CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  uint64_t epoch = 0;
  uint64_t durable = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_epoch(store_, &epoch));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
  EXPECT_LT(durable, epoch);
  int64_t in_ms = -1;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_next_deadline_ms(store_, &in_ms));
  EXPECT_GT(in_ms, 0);
  EXPECT_LE(in_ms, 1000);
  context_.monotonic_ms += 1001;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_next_deadline_ms(store_, &in_ms));
  EXPECT_EQ(in_ms, 0);
  CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
  EXPECT_GE(durable, epoch);
}

TEST_F(Host, CrashMarksAreLoggedByStep) {
  close_run();
  close();
  open_with_host();
  context_.monotonic_ms += 20'000;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  ASSERT_FALSE(context_.logged.empty());
  EXPECT_NE(context_.logged.back().find("run r"), std::string::npos) << context_.logged.back();
  CAIRN_ASSERT_OK(cairn_run_resume(store_, "r", &run_));
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
}

TEST_F(Host, WaitDurableKnowsWhatItWaitsFor) {
  uint64_t epoch = 0;
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_epoch(store_, &epoch));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_wait_durable(store_, epoch, 1000));
  // No update has an epoch far ahead: waiting for it would never end.
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_wait_durable(store_, epoch + 1'000'000'000, 20));
}

TEST_F(Host, AnEpochThatNoUpdateHasYetIsAnInvalidArgument) {
  uint64_t epoch = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_epoch(store_, &epoch));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_wait_durable(store_, epoch + 1, -1));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_wait_durable(store_, epoch, -1));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_wait_durable(store_, 0, 0));
}

TEST_F(Host, WaitDurableEndsInTimeWhileAnotherThreadStandsInASync) {
  uint64_t epoch = 0;
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_epoch(store_, &epoch));
  hold_syncs();
  std::thread other([&] { CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_)); });
  wait_for_a_held_sync();
  std::thread clock([&] {
    for (int ms = 0; ms < 100; ++ms) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++context_.monotonic_ms;
    }
  });
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_store_wait_durable(store_, epoch, 20));
  EXPECT_NE(std::string(last_error().message).find("wait again"), std::string::npos);
  uint64_t durable = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
  EXPECT_LT(durable, epoch);
  CAIRN_EXPECT(CAIRN_OK, set("a", 3));
  release_syncs();
  CAIRN_EXPECT(CAIRN_OK, cairn_store_wait_durable(store_, epoch, -1));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
  EXPECT_GE(durable, epoch);
  other.join();
  clock.join();
}

TEST_F(Host, BarrierReturnsOnlyWhenItsSyncIsDone) {
  uint64_t epoch = 0;
  uint64_t durable = 0;
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_epoch(store_, &epoch));
  hold_syncs();
  std::atomic<bool> returned{false};
  std::thread other([&] {
    CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_));
    returned = true;
  });
  wait_for_a_held_sync();
  EXPECT_FALSE(returned);
  CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
  EXPECT_LT(durable, epoch);
  release_syncs();
  other.join();
  CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
  EXPECT_GE(durable, epoch);
}

TEST_F(Host, ACloseThatTakesTooLongSaysSoAndLosesNothing) {
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  faults_->before = [this](FileCall call, const std::string&) {
    if (call == FileCall::kSync) {
      context_.monotonic_ms += 1000;
    }
  };
  close_run();
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_store_close(store_, 10));
  EXPECT_NE(std::string(last_error().message).find("in the log"), std::string::npos);
  store_ = nullptr;
  faults_->before = nullptr;
  open_with_host();
  CAIRN_ASSERT_OK(cairn_run_resume(store_, "r", &run_));
  EXPECT_EQ(current(), "{\"a\":2}");
}

TEST_F(Host, NoSpaceChangesNothingAndGoesAway) {
  reopen(CAIRN_DURABILITY_POWER);
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  faults_->fail({FileCall::kWrite, 1, Status(Code::kNoSpace, "injected", ENOSPC), true});
  CAIRN_EXPECT(CAIRN_NO_SPACE, set("a", 3));
  EXPECT_EQ(last_error().os_errno, ENOSPC);
  EXPECT_EQ(current(), "{\"a\":2}");
  faults_->fail_none();
  CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  CAIRN_EXPECT(CAIRN_OK, set("a", 4));
  reopen();
  EXPECT_EQ(current(), "{\"a\":4}");
}

TEST_F(Host, AFailedSyncIsIndeterminateThenLatched) {
  reopen(CAIRN_DURABILITY_POWER);
  faults_->fail({FileCall::kSync, 1, Status(Code::kIo, "injected", EIO), false});
  CAIRN_EXPECT(CAIRN_INDETERMINATE, set("a", 3));
  CAIRN_EXPECT(CAIRN_LATCHED, set("a", 4));
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_store_barrier(store_));
  close_run();
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_store_close(store_, -1));
  store_ = nullptr;
  open_with_host();
  CAIRN_ASSERT_OK(cairn_run_resume(store_, "r", &run_));
  EXPECT_TRUE(current() == "{\"a\":1}" || current() == "{\"a\":3}") << current();
  CAIRN_EXPECT(CAIRN_OK, set("a", 5));
}

TEST_F(Host, AnInputOutputErrorAtOpenIsReportedWithErrno) {
  close_run();
  close();
  faults_->fail({FileCall::kOpen, 1, Status(Code::kIo, "injected", EIO), true});
  cairn_options o = options();
  o.hooks = &hooks_;
  CAIRN_EXPECT(CAIRN_IO, cairn_store_open(path().c_str(), &o, &store_));
  EXPECT_EQ(last_error().os_errno, EIO);
  EXPECT_EQ(store_, nullptr);
  faults_->fail_none();
  open(o);
}

class Loop : public ApiTest {};

TEST_F(Loop, TheDescriptorIsReadableWhenAStepIsDue) {
  close();
  cairn_options o = options();
  o.flush_interval_ms = 30;
  open(o);
  start();
  int fd = -1;
  CAIRN_ASSERT_OK(cairn_store_wait_fd(store_, &fd));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  CAIRN_EXPECT(CAIRN_OK, set("a", 1));
  uint64_t epoch = 0;
  uint64_t durable = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_epoch(store_, &epoch));
  for (int i = 0; i < 100 && durable < epoch; ++i) {
    pollfd p = {fd, POLLIN, 0};
    ASSERT_EQ(poll(&p, 1, 5000), 1);
    CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
  }
  EXPECT_GE(durable, epoch);
}

TEST_F(Loop, TheBackgroundThreadNeedsNoStep) {
  close();
  cairn_options o = options();
  o.flush_interval_ms = 20;
  o.flags = CAIRN_OPEN_BACKGROUND;
  open(o);
  start();
  CAIRN_EXPECT(CAIRN_OK, set("a", 1));
  uint64_t epoch = 0;
  uint64_t durable = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_epoch(store_, &epoch));
  for (int i = 0; i < 500 && durable < epoch; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_durable_epoch(store_, &durable));
  }
  EXPECT_GE(durable, epoch);
}

TEST_F(Loop, StoreIdsDifferAndStay) {
  uint8_t first[16];
  uint8_t again[16];
  uint8_t second[16];
  CAIRN_EXPECT(CAIRN_OK, cairn_store_id(store_, first));
  close();
  open();
  CAIRN_EXPECT(CAIRN_OK, cairn_store_id(store_, again));
  cairn_store* other = nullptr;
  const cairn_options o = options();
  CAIRN_ASSERT_OK(cairn_store_open((directory_.path() + "/other").c_str(), &o, &other));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_id(other, second));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(other, -1));
  EXPECT_EQ(std::string(first, first + 16), std::string(again, again + 16));
  EXPECT_NE(std::string(first, first + 16), std::string(second, second + 16));
}

TEST_F(Loop, WithoutStagingEachUpdateIsInTheLog) {
  close();
  cairn_options o = options();
  o.flags = CAIRN_OPEN_NO_STAGING;
  open(o);
  start();
  cairn_stats before = {};
  before.struct_bytes = sizeof before;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_stats(store_, &before));
  EXPECT_EQ(before.flags & CAIRN_STATS_STAGING_ON, 0u);
  CAIRN_EXPECT(CAIRN_OK, set("a", 1));
  CAIRN_EXPECT(CAIRN_OK, set("a", 2));
  cairn_stats after = {};
  after.struct_bytes = sizeof after;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_stats(store_, &after));
  EXPECT_EQ(after.written_lsn, before.written_lsn + 2);
  CAIRN_EXPECT(CAIRN_OK, cairn_store_checkpoint(store_));
}

}  // namespace
}  // namespace cairn::tests
