// Which files a log has at any time: what is missing or cut short is damage, and no crash looks like it.
#include "tests/wal/log_fixture.h"

namespace cairn::wal {
namespace {

using testing::FileCall;

class MissingFiles : public LogFixture {
 protected:
  /// As a store's log: "fine", or the damage.
  std::string judged(Extent extent = Extent::kAfterTables) {
    const Status s = judge(
        disk, options.store, applied, extent, [](const RecordView&) { return Status(); }, report);
    if (!s.ok()) {
      return "status " + std::to_string(static_cast<int>(s.code));
    }
    std::string text;
    for (const Damage& damage : report.damage) {
      text += (text.empty() ? "" : "; ") + describe(damage);
    }
    return text.empty() ? "fine" : text;
  }
  void sealed_with_a_spare() {
    open();
    commit("a");
    rotate();
    ASSERT_TRUE(writer->prepare_spare().ok());
    kill();
  }
};

TEST_F(MissingFiles, AStoreWithoutASegmentIsDamaged) {
  EXPECT_EQ(judged(), "wal/, LSN 1 and what followed: it holds no segment");
  open();
  commit("a");
  ASSERT_TRUE(writer->prepare_spare().ok());
  kill();
  EXPECT_EQ(judged(), "fine");
  ASSERT_TRUE(disk.remove(path(1)).ok());
  EXPECT_EQ(judged(), "wal/, LSN 1 and what followed: it holds no segment that was written to");
}

TEST_F(MissingFiles, WithoutTheSegmentBehindAFullOneTheLogIsDamaged) {
  sealed_with_a_spare();
  EXPECT_EQ(judged(), "fine");
  const std::string two = segment(2);
  ASSERT_TRUE(disk.remove(path(2)).ok());
  EXPECT_THAT(judged(), ::testing::HasSubstr("3.wal at offset 0, LSN 14 and what followed: the segment before this"));
  ASSERT_TRUE(disk.remove(path(3)).ok());
  EXPECT_THAT(judged(), ::testing::HasSubstr("1.wal at offset 0, LSN 14 and what followed: the segment after this"));
}

TEST_F(MissingFiles, ASegmentThatALiveWriterMadeSinceTheDirectoryWasReadIsNotMissing) {
  sealed_with_a_spare();
  const std::string two = segment(2);
  const std::string three = segment(3);
  for (const bool spare_is_seen : {false, true}) {
    ASSERT_TRUE(disk.remove(path(2)).ok());
    if (!spare_is_seen) {
      ASSERT_TRUE(disk.remove(path(3)).ok());
    }
    const Status s = scan(
        disk, options.store, 1, 0,
        [&](const RecordView&) {
          disk.put(path(2), two);
          disk.put(path(3), three);
          return Status();
        },
        report);
    EXPECT_TRUE(s.ok());
    EXPECT_TRUE(report.damage.empty()) << describe(report.damage[0]);
    EXPECT_EQ(report.last_lsn, 13u);
  }
}

TEST_F(MissingFiles, TwoFilesWithoutHeadersAreMoreThanOneActivation) {
  sealed_with_a_spare();
  zero(2, 0, kRecordsOffset);
  zero(2, kRecordsOffset, kRecordsOffset);
  EXPECT_EQ(judged(), "fine") << "an activation that was never synced";
  zero(3, 0, kRecordsOffset);
  EXPECT_THAT(judged(), ::testing::HasSubstr("both segment headers are damaged"));
}

TEST_F(MissingFiles, AShortSpareIsMadeAnew) {
  open();
  commit("a");
  ASSERT_TRUE(writer->prepare_spare().ok());
  kill();
  segment(2).resize(20'000);
  EXPECT_EQ(judged(), "fine");
  EXPECT_EQ(report.short_spares, 1u);
  open();
  commit("b");
  kill();
  EXPECT_EQ(segment(2).size(), kSegmentBytesMin);
  EXPECT_EQ(judged(), "fine");
  EXPECT_EQ(report.short_spares, 0u);
  EXPECT_EQ(replay(), "a b");
}

TEST_F(MissingFiles, WhatTheTablesHoldMayBeMissingAndIsDamageOnlyForWhoReadsAll) {
  open();
  rotate();
  rotate();
  append("z");
  sync();
  applied = writer->written_lsn() - 1;
  kill();
  zero(1, find(1, std::string(20, 'r')), 8);
  EXPECT_EQ(judged(), "fine");
  EXPECT_THAT(judged(Extent::kWhole), ::testing::HasSubstr("1.wal at offset"));
  ASSERT_TRUE(disk.remove(path(1)).ok());
  EXPECT_EQ(judged(), "fine");
  EXPECT_EQ(judged(Extent::kWhole), "fine") << "recycled";
  applied = 1;
  EXPECT_THAT(judged(), ::testing::HasSubstr("segments before this one are missing"));
  EXPECT_EQ(judged(Extent::kWhole), judged());
}

// The headers of a new segment are on no disk before its first sync; all that is before it may be in the tables by
// then.
TEST_F(MissingFiles, APowerCutBehindARecycleLeavesAnActiveSegment) {
  for (int i = 0; i < 60; ++i) {
    disk.restore({});
    applied = 0;
    open();
    rotate();
    applied = writer->durable_lsn();
    const Status recycled = writer->recycle(applied);
    ASSERT_TRUE(recycled.ok());
    power_cut();
    ASSERT_EQ(judged(), "fine") << i;
    open();
    append("z");
    kill();
    ASSERT_EQ(judged(), "fine") << i;
  }
}

TEST_F(MissingFiles, ACrashAtAnyCallOfARecoveryOfALostActivationIsNoDamage) {
  for (const bool other_size : {false, true}) {
    bool finished = false;
    for (uint64_t n = 0; !finished; ++n) {
      disk.restore({});
      options.segment_bytes = kSegmentBytesMin;
      sealed_with_a_spare();
      zero(2, 0, 2 * kRecordsOffset);
      options.segment_bytes = (other_size ? 2 : 1) * kSegmentBytesMin;
      files.stop_after(n, 5000);
      finished = try_open({"s"}).ok();
      kill();
      files.heal();
      if (n % 2 == 0) {
        disk.power_cut(random);
      }
      ASSERT_EQ(judged(), "fine") << n;
      open({"t"});
      kill();
      ASSERT_EQ(judged(), "fine") << n;
      ASSERT_THAT(replay(), ::testing::EndsWith(" t")) << n;
    }
  }
}

}  // namespace
}  // namespace cairn::wal
