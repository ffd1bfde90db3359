// Each sync of a whole life fails once, as Linux does it: the error is reported once, the pages are marked clean, what
// they held is readable until the machine goes down and never reaches the disk. What the life acknowledges from then on
// must not rest on them; it is opened again, lives on, and is killed or cut behind the fault. Of some of the kills the
// recovery, which finds the readable pages, is recorded and cut too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "tests/crash/crash_lives.h"
#include "tests/crash/crash_prover.h"

namespace cairn::testing {
namespace {

TEST(CrashStates, FailedSyncsAcknowledgeNothingAfterwards) {
  const uint64_t seed = crash_budget().seed;
  CrashProver prover("failed syncs", seed);
  size_t syncs = 0;
  {
    RecordedLife life(seed);
    whole_life(life, seed);
    ASSERT_EQ(life.failure(), "");
    for (const WatchedCall& call : life.watched_calls()) {
      syncs += call.call == DiskCall::kSync ? 1 : 0;
    }
  }
  const uint64_t share = crash_budget().states / 8;
  const size_t step = std::max<size_t>(1, syncs * 4 / std::max<uint64_t>(1, share));
  const size_t states = std::max<size_t>(6, share * step / syncs);
  size_t lives = 0;
  size_t latched = 0;
  for (size_t sync = seed % step; sync < syncs; sync += step) {
    DiskFault fault;
    fault.kind = DiskFault::Kind::kSync;
    fault.skip = sync;
    fault.error = EIO;
    RecordedLife life(seed);
    life.arm(fault);
    whole_life(life, seed);
    life.stop();
    const std::string which = "sync " + std::to_string(sync) + " of " + life.fault_path() + ": ";
    ASSERT_TRUE(life.fault_met()) << which;
    EXPECT_GT(life.failed_calls(), 0u) << which << "the failed sync was not told to anybody";
    ++lives;
    latched += life.has_latched() ? 1 : 0;
    ASSERT_TRUE(prover.prove_chained(life, prover.points_behind_fault(life, states), 8, 3, which)) << prover.failure();
  }
  std::printf("crash: failed syncs: seed %llu, syncs %zu, lives %zu, latched %zu\n",
              static_cast<unsigned long long>(seed), syncs, lives, latched);
  EXPECT_GT(latched, 0u);
  EXPECT_GT(prover.lost_unacknowledged(), 0u);
}

// The same for each sync of the recovery after a kill or a power cut, and of what follows it.
TEST(CrashStates, FailedSyncsOfARecoveryAcknowledgeNothingAfterwards) {
  CrashProver prover("failed syncs of a recovery", crash_budget().seed);
  const uint64_t share = crash_budget().states / 10;
  size_t lives = 0;
  for (uint64_t seed = crash_budget().seed; prover.states() < share; ++seed) {
    RecordedLife first(derive_seed(seed, 300));
    first.open().anything(60, 6);
    first.stop();
    ASSERT_EQ(first.failure(), "");
    const CrashPoint crash = prover.some_points(first, 1)[0];
    bool met = true;
    for (uint64_t sync = 0; met; ++sync) {
      DiskFault fault;
      fault.kind = DiskFault::Kind::kSync;
      fault.skip = sync;
      fault.error = EIO;
      std::unique_ptr<RecordedLife> life = prover.life_after(first, crash);
      life->arm(fault);
      life->open();
      if (!life->is_open()) {
        life->open();  // once more, in the same boot
      }
      life->anything(8, 6);
      met = life->fault_met();
      life->disarm().close();
      if (met) {
        life->must_work().open().anything(6, 6);
      }
      life->stop();
      const std::string which = "seed " + std::to_string(seed) + ", " + crash.text() + ", sync " +
                                std::to_string(sync) + " of " + life->fault_path() + ": ";
      ASSERT_EQ(life->failure(), "") << which;
      if (met) {
        ++lives;
        ASSERT_TRUE(prover.prove_chained(*life, prover.points_behind_fault(*life, 6), 6, 2, which)) << prover.failure();
      }
    }
  }
  std::printf("crash: failed syncs of a recovery: seed %llu, lives %zu\n",
              static_cast<unsigned long long>(crash_budget().seed), lives);
  EXPECT_GT(prover.lost_unacknowledged(), 0u);
}

}  // namespace
}  // namespace cairn::testing
