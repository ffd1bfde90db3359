// After any crash the store opens by itself and each run is a prefix of its operations that holds what was
// acknowledged: proven over crash states of scripted lives. How a state is made: crash_prover.h.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/crash/crash_lives.h"
#include "tests/crash/crash_prover.h"

namespace cairn::testing {
namespace {

TEST(CrashStates, RecordedDiskEqualsTheRealDirectory) {
  RecordedLife life(crash_budget().seed);
  whole_life(life, crash_budget().seed);
  ASSERT_EQ(life.failure(), "");
  EXPECT_EQ(life.difference_to_real_files(), "");
  EXPECT_GT(life.log().size(), 300u);
}

TEST(CrashStates, TheSameSeedRecordsTheSameOperations) {
  std::string logs[2];
  for (std::string& text : logs) {
    RecordedLife life(crash_budget().seed);
    whole_life(life, crash_budget().seed);
    ASSERT_EQ(life.failure(), "");
    for (const DiskOperation& op : life.log()) {
      text += describe(op) + (op.bytes ? *op.bytes : std::string());
    }
  }
  EXPECT_TRUE(logs[0] == logs[1]);
}

TEST(CrashStates, EveryStopOfAWholeLifeRecovers) {
  const uint64_t seed = crash_budget().seed;
  RecordedLife life(seed);
  whole_life(life, seed);
  life.stop();
  CrashProver prover("every stop", seed);
  std::vector<CrashPoint> points = CrashProver::every_point(life, 1);
  const uint64_t share = crash_budget().states / 2;
  if (points.size() > share) {
    points = prover.some_points(life, share);
  }
  EXPECT_TRUE(prover.prove(life, points)) << prover.failure();
  EXPECT_GT(prover.lost_unacknowledged(), 0u);
}

TEST(CrashStates, RandomLivesRecover) {
  CrashProver prover("random lives", crash_budget().seed);
  const uint64_t share = crash_budget().states / 3;
  for (uint64_t seed = crash_budget().seed; prover.distinct() < share; ++seed) {
    LifeOptions options;
    options.border_bytes = seed % 3 == 0 ? 4096 : 512;
    options.staging = seed % 5 != 0;
    // Documents larger than the largest slot: every update of theirs overflows into the log.
    options.metadata_bytes_max = seed % 2 == 0 ? 4096 : 24576;
    options.durability = seed % 7 == 0 ? engine::Durability::kPower : engine::Durability::kProcess;
    RecordedLife life(derive_seed(seed, 100), options);
    life.open().anything(150);
    life.stop();
    ASSERT_TRUE(prover.prove(life, prover.some_points(life, std::max<uint64_t>(100, share / 10)))) << prover.failure();
  }
  EXPECT_GT(prover.lost_unacknowledged(), 0u);
}

TEST(CrashStates, TwoCrashesInARowRecover) {
  CrashProver prover("two crashes", crash_budget().seed);
  const uint64_t share = crash_budget().states / 4;
  for (uint64_t seed = crash_budget().seed; prover.distinct() < share; ++seed) {
    RecordedLife life(derive_seed(seed, 200));
    life.open().anything(100, 6);
    life.stop();
    ASSERT_TRUE(prover.prove_chained(life, prover.some_points(life, 12), 1, 20)) << prover.failure();
  }
  EXPECT_GT(prover.lost_unacknowledged(), 0u);
}

}  // namespace
}  // namespace cairn::testing
