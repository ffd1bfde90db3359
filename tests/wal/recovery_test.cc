// Beginning again after every kind of end.
#include "tests/wal/log_fixture.h"

namespace cairn::wal {
namespace {

using testing::FileCall;

class Recovery : public LogFixture {
 protected:
  std::vector<std::string> files_there() { return *disk.list("wal"); }
};

TEST_F(Recovery, AFreshLogBeginsAtOne) {
  open();
  EXPECT_EQ(files_there(), std::vector<std::string>{segment_name(1)});
  EXPECT_EQ(header_of(1).first_lsn, 1u);
  EXPECT_EQ(header_of(1, 1).first_lsn, 1u);
}

TEST_F(Recovery, WithAllSegmentsGoneTheLogBeginsBehindTheCheckpoint) {
  applied = 41;
  open({"s"});
  EXPECT_EQ(writer->written_lsn(), 42u);
  EXPECT_EQ(writer->durable_lsn(), 42u);
  kill();
  EXPECT_EQ(replay(42), "s");
}

TEST_F(Recovery, AfterAnUncleanEndTheTailIsCopiedBehindTheWatermarkIntoANewSegment) {
  open();
  commit("a");
  commit("b");
  append_group({"c", "d"});
  kill();
  open({"s", "t"});
  EXPECT_EQ(writer->written_lsn(), 6u);
  EXPECT_EQ(writer->durable_lsn(), 6u);
  const SegmentHeader header = header_of(2);
  EXPECT_EQ(header.prev_last_lsn, 2u);
  EXPECT_NE(header.salt, header_of(1).salt);
  append("e");
  kill();
  EXPECT_EQ(replay(), "a b c d s t e");
}

TEST_F(Recovery, WhatRecoveryWroteSurvivesAPowerCutAtOnce) {
  for (int i = 0; i < 40; ++i) {
    disk.restore({});
    open();
    append_group({"a", "b"});
    kill();
    open({"s"});
    power_cut();
    EXPECT_EQ(replay(), "a b s");
  }
}

TEST_F(Recovery, DroppedRecordsNeverComeBack) {
  open();
  commit("a");
  append_group({"b", "c", "d"});
  kill();
  zero(1, find(1, "b"), kRecordHeaderBytes);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2, 2 dropped");
  open();
  append("x");  // of the same size as what was dropped, so "c" would follow it
  kill();
  EXPECT_EQ(replay(), "a x");
  open();
  kill();
  EXPECT_EQ(replay(), "a x");
}

TEST_F(Recovery, ADroppedRecordBehindACloseMarkerNeverComesBack) {
  open();
  append("a");
  close();
  open();
  append("b");
  append("c");
  kill();
  zero(1, find(1, "b"), kRecordHeaderBytes);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2, 1 dropped");
  open();
  EXPECT_TRUE(disk.has(path(2)));  // not in place
  append("b");
  kill();
  EXPECT_EQ(replay(), "a b");
}

TEST_F(Recovery, AKillAtAnyCallOfARecoveryLosesNothingAndTheNextOneWorks) {
  for (const bool spare : {false, true}) {
    bool finished = false;
    for (uint64_t n = 0; !finished; ++n) {
      disk.restore({});
      open();
      commit("a");
      append_group({"b", "c"});
      if (spare) {
        ASSERT_TRUE(writer->prepare_spare().ok());
      }
      kill();
      files.stop_after(n, 50);
      finished = try_open({"s"}).ok();
      kill();
      files.heal();
      const std::string text = replay();
      ASSERT_TRUE(text.substr(0, 5) == "a b c") << n << ": " << text;
      ASSERT_TRUE(report.damage.empty()) << n << ": " << text;
      open({"t"});
      kill();
      ASSERT_THAT(replay(), ::testing::AnyOf("a b c t", "a b c s t")) << n;
    }
  }
}

TEST_F(Recovery, PowerCutsAtAnyCallOfTwoRecoveriesInARowLoseNothingAcknowledged) {
  for (uint64_t n = 0; n < 30; ++n) {
    for (uint64_t m = 0; m < 30; m += 3) {
      disk.restore({});
      open();
      commit("a");
      commit("b");  // acknowledged; no record on disk says so yet
      for (const uint64_t calls : {n, m}) {
        kill();
        files.stop_after(calls, 50);
        (void)try_open({"s"});
        writer.reset();
        files.heal();
        disk.power_cut(random);
        ASSERT_THAT(replay(), ::testing::StartsWith("a b")) << n << " " << m;
        ASSERT_TRUE(report.damage.empty()) << n << " " << m << ": " << replay();
      }
    }
  }
}

TEST_F(Recovery, AnActivationWhoseHeadersWereLostUnderALaterRecoveryIsNoDamage) {
  open();
  append("a");
  rotate();
  const uint64_t kept = header_of(2).prev_last_lsn;
  kill();
  open();
  ASSERT_TRUE(disk.has(path(3)));
  kill();
  // The machine dies: 2 was never synced, 3 was.
  const std::string three = segment(3);
  disk.put(path(2), std::string(kSegmentBytesMin, 'g'));
  disk.put(path(3), three);
  const std::string text = replay();
  EXPECT_TRUE(report.damage.empty()) << text;
  EXPECT_EQ(report.last_lsn, kept + 1);
  open();
  EXPECT_FALSE(disk.has(path(2)));
}

TEST_F(Recovery, OpenedAndKilledAgainAndAgainTheLogDoesNotGrow) {
  open();
  commit("a");
  for (int i = 0; i < 20; ++i) {
    reopen();
  }
  EXPECT_LE(files_there().size(), 2u);
  kill();
  EXPECT_EQ(replay(), "a");
}

TEST_F(Recovery, WhatStagingGaveMayFillSeveralSegments) {
  open();
  append(std::string(120'000, 'a'));
  append(std::string(100'000, 'b'));
  kill();
  open({std::string(100'000, 'c'), "d", std::string(100'000, 'e'), std::string(120'000, 'f')});
  EXPECT_EQ(writer->durable_lsn(), 6u);
  power_cut();
  EXPECT_EQ(replay(), "a* b* c* d e* f*");
}

TEST_F(Recovery, APowerCutAtAnyCallOfARecoveryOverSeveralSegmentsKeepsWhatWasSyncedAndIsNeverDamage) {
  for (const bool synced : {false, true}) {
    for (int round = 0; round < 8; ++round) {
      bool finished = false;
      for (uint64_t n = 0; !finished; ++n) {
        disk.restore({});
        open();
        append(std::string(60'000, 'a'));
        append(std::string(60'000, 'b'));
        if (synced) {
          sync();
        }
        kill();
        files.stop_after(n, 9000);
        finished = try_open({std::string(100'000, 'c'), std::string(120'000, 'd')}).ok();
        kill();
        files.heal();
        disk.power_cut(random);
        const std::string text = replay();
        ASSERT_TRUE(!synced || text.rfind("a* b*", 0) == 0) << n << ": " << text;
        ASSERT_TRUE(report.damage.empty()) << n << ": " << text;
        open();
      }
    }
  }
}

TEST_F(Recovery, TheTailFitsAlsoWhenSegmentsWereLargerBefore) {
  options.segment_bytes = 4 * kSegmentBytesMin;
  open();
  for (int i = 0; i < 9; ++i) {
    append(std::string(100'000, 'a'));
  }
  kill();
  options.segment_bytes = kSegmentBytesMin;
  open({"s"});
  EXPECT_EQ(segment(2).size(), 4 * kSegmentBytesMin);
  rotate();
  EXPECT_EQ(segment(3).size(), kSegmentBytesMin);
  kill();
  EXPECT_THAT(replay(), ::testing::StartsWith("a* a* a* a* a* a* a* a* a* s r*"));
}

TEST_F(Recovery, SegmentsOfAnotherSizeAreReadAndNotReusedAsSpare) {
  open();
  append("a");
  ASSERT_TRUE(writer->prepare_spare().ok());
  kill();
  options.segment_bytes = 2 * kSegmentBytesMin;
  open();
  EXPECT_EQ(segment(2).size(), 2 * kSegmentBytesMin);
  applied = 1;
  sync();
  rotate();
  ASSERT_TRUE(writer->recycle(applied).ok());
  EXPECT_FALSE(disk.has(path(1)));
  kill();
  EXPECT_THAT(replay(2), ::testing::StartsWith("r*"));
}

TEST_F(Recovery, AnotherBorderAfterACleanCloseBeginsANewSegmentUnlessTheEndLiesOnIt) {
  open();
  append("a");
  close();
  options.border_bytes = 4096;
  open();
  EXPECT_TRUE(disk.has(path(2)));
  append("b");
  close();
  options.border_bytes = 512;
  open();
  EXPECT_FALSE(disk.has(path(3)));
  append("c");
  kill();
  EXPECT_EQ(replay(), "a b c");
}

TEST_F(Recovery, TheSpareIsUsedWhenTheDiskIsFull) {
  open();
  append("a");
  ASSERT_TRUE(writer->prepare_spare().ok());
  kill();
  options.may_grow = [](uint64_t) { return Status(Code::kNoSpace, "budget"); };
  open({"s"});
  EXPECT_EQ(files_there(), std::vector<std::string>{segment_name(2)});  // 1 holds nothing that counts
  kill();
  EXPECT_EQ(replay(), "a s");
  EXPECT_EQ(try_open().code, Code::kNoSpace);
  EXPECT_EQ(replay(), "a s");
  options.may_grow = nullptr;
  open();
  kill();
  EXPECT_EQ(replay(), "a s");
}

TEST_F(Recovery, TwoSparesAfterALostActivationLeaveOne) {
  open();
  append("a");
  ASSERT_TRUE(writer->prepare_spare().ok());
  const std::string spare = segment(2);
  rotate();
  ASSERT_TRUE(writer->prepare_spare().ok());
  kill();
  segment(2) = spare;  // the activation never reached the disk
  const std::string before = replay();
  EXPECT_TRUE(report.damage.empty());
  open();
  kill();
  EXPECT_EQ(replay(), before);
  open();
  append("z");
  kill();
  EXPECT_EQ(replay(), before + " z");
}

TEST_F(Recovery, LeftoversOfAKilledSpareAreRemoved) {
  open();
  append("a");
  files.stop_after(3);
  EXPECT_FALSE(writer->prepare_spare().ok());
  kill();
  files.heal();
  ASSERT_TRUE(disk.has("wal/spare.tmp"));
  open();
  EXPECT_FALSE(disk.has("wal/spare.tmp"));
}

TEST_F(Recovery, AKillAtAnyCallOfARecycleLosesNothing) {
  bool finished = false;
  for (uint64_t n = 0; !finished; ++n) {
    disk.restore({});
    applied = 0;
    open();
    rotate();
    rotate();
    rotate();
    append("z");
    sync();
    applied = writer->written_lsn() - 2;
    files.stop_after(n);
    finished = writer->recycle(applied).ok();
    files.heal();
    power_cut();
    ASSERT_THAT(replay(applied + 1), ::testing::EndsWith("z")) << n;
    ASSERT_TRUE(report.damage.empty()) << n;
    open();
    append("y");
    kill();
    ASSERT_THAT(replay(applied + 1), ::testing::EndsWith("z y")) << n;
  }
}

TEST_F(Recovery, RecordsOfALogThatFailedToSyncAreCopiedNotTrusted) {
  open();
  commit("a");
  append("b");
  files.on_failed_sync = [this](const std::string& name) { disk.drop_dirty(name); };
  files.fail({FileCall::kSync, 1, {Code::kIo, "injected", 5}, false, 0});
  EXPECT_EQ(try_sync().code, Code::kIndeterminate);
  kill();
  open();  // same boot: the page cache shows "b", the disk does not
  EXPECT_EQ(writer->durable_lsn(), 2u);
  power_cut();
  EXPECT_EQ(replay(), "a b");
}

TEST_F(Recovery, ACloseMarkerWhoseSyncFailedIsWrittenAgainBeforeAnythingFollowsIt) {
  open();
  commit("a");
  files.on_failed_sync = [this](const std::string& name) { disk.drop_dirty(name); };
  files.fail({FileCall::kSync, 1, {Code::kIo, "injected", 5}, false, 0});
  EXPECT_EQ(writer->close_clean().code, Code::kIndeterminate);
  kill();
  open();  // same boot: the page cache shows the marker, the disk does not
  commit("b");
  power_cut();
  EXPECT_EQ(replay(), "a b");
}

// The marker is to be written again, and the segment has no room behind it for anything that would.
TEST_F(Recovery, ACloseThatEndsWhereTheSegmentEndsHidesNothing) {
  open();
  const std::string large(20'000, 'r');
  size_t position = kRecordsOffset;
  uint64_t records = 0;
  const auto add = [&](const std::string& payload) {
    append(payload);
    position += record_space_bytes(payload.size());
    ++records;
  };
  for (size_t left = 0; left <= 1600; left += 8) {
    while (kSegmentBytesMin - position > 60'000) {
      add(large);
    }
    const size_t last = kSegmentBytesMin - position - left - kRecordHeaderBytes;
    add(large.substr(0, 15'000));
    add(std::string(last - record_space_bytes(15'000), 'l'));
    close();
    open();
    append(large);
    ++records;
    position = kRecordsOffset + record_space_bytes(large.size());
    if (left % 64 == 0) {
      (void)replay();
      ASSERT_EQ(report.last_lsn, records) << "with " << left << " bytes left";
      ASSERT_TRUE(report.damage.empty()) << "with " << left << " bytes left";
    }
  }
  kill();
  (void)replay();
  EXPECT_EQ(report.last_lsn, records);
  EXPECT_TRUE(report.damage.empty());
}

TEST_F(Recovery, AnErrorAtAnyCallOfARecoveryIsReturnedAndTheNextOneWorks) {
  for (const Code code : {Code::kNoSpace, Code::kIo}) {
    for (const FileCall call : {FileCall::kWrite, FileCall::kSync, FileCall::kRename, FileCall::kSyncDirectory,
                                FileCall::kOpen, FileCall::kRead, FileCall::kList}) {
      bool hit = true;
      for (uint64_t nth = 1; hit; ++nth) {
        disk.restore({});
        open();
        commit("a");
        append("b");
        kill();
        files.fail({call, nth, {code, "injected", 5}, false, 20});
        const Status s = try_open({"s"});
        hit = !s.ok();
        files.fail_none();
        kill();
        if (hit) {
          EXPECT_THAT(s.code, ::testing::AnyOf(code, Code::kIndeterminate)) << s.what;
        }
        open({"t"});
        kill();
        EXPECT_THAT(replay(), ::testing::AnyOf("a b t", "a b s t")) << nth;
      }
    }
  }
}

}  // namespace
}  // namespace cairn::wal
