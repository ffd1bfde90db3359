// Appends, groups, rotation, spares, recycling, and what each failure leaves.
#include "tests/wal/log_fixture.h"

namespace cairn::wal {
namespace {

using testing::FileCall;

class LogWriting : public LogFixture {
 protected:
  static constexpr Status kFull{Code::kNoSpace, "injected", 28};
  static constexpr Status kBroken{Code::kIo, "injected", 5};

  std::vector<std::string> files_there() { return *disk.list("wal"); }
};

TEST_F(LogWriting, LsnsAreDenseFromOne) {
  open();
  EXPECT_EQ(writer->written_lsn(), 0u);
  Writer::Append append(*writer);
  EXPECT_EQ(append.next_lsn(), 1u);
  append.add(kTestType, "a");
  append.add(kTestType, "b");
  EXPECT_EQ(append.next_lsn(), 3u);
  EXPECT_EQ(*append.commit(), 2u);
  append.add(kTestType, "c");
  EXPECT_EQ(*append.commit(), 3u);
  EXPECT_EQ(writer->written_lsn(), 3u);
  EXPECT_EQ(writer->durable_lsn(), 0u);
}

TEST_F(LogWriting, AnAppendThatIsNotCommittedLeavesNothing) {
  open();
  {
    Writer::Append append(*writer);
    append.add(kTestType, "a");
  }
  append("b");
  kill();
  EXPECT_EQ(replay(), "b");
}

TEST_F(LogWriting, AGroupIsOneWrite) {
  open();
  const uint64_t writes = files.count(FileCall::kWrite);
  append_group({"a", "b", "c"});
  EXPECT_EQ(files.count(FileCall::kWrite), writes + 1);
}

TEST_F(LogWriting, TypesOfTheLogItselfAreRefused) {
  open();
  Writer::Append append(*writer);
  append.add(kFirstUserType - 1, "a");
  EXPECT_EQ(append.commit().code(), Code::kInvalidArgument);
  append.add(kFirstUserType, "a");
  EXPECT_TRUE(append.commit().ok());
}

TEST_F(LogWriting, OptionsOutOfRangeAreRefused) {
  for (const uint32_t bytes : {kSegmentBytesMin / 2, kSegmentBytesMin + 8, kSegmentBytesMax * 2}) {
    options.segment_bytes = bytes;
    EXPECT_EQ(try_open().code, Code::kInvalidArgument) << bytes;
  }
  options.segment_bytes = kSegmentBytesMin;
  options.border_bytes = 1024;
  EXPECT_EQ(try_open().code, Code::kInvalidArgument);
}

TEST_F(LogWriting, RecordsUpToTheLimitAreWrittenAndLargerOnesRefused) {
  open();
  const uint32_t limit = record_bytes_max(options.segment_bytes);
  EXPECT_EQ(limit, kSegmentBytesMin / 2);
  EXPECT_EQ(record_bytes_max(kSegmentBytesMax), kPayloadBytesMax);
  append("a");
  EXPECT_EQ(try_append({std::string(limit + 1, 'x')}).code, Code::kTooLarge);
  append(std::string(limit, 'y'));
  EXPECT_EQ(try_append({std::string(limit, 'x'), std::string(limit, 'x')}).code, Code::kTooLarge);
  append("b");
  kill();
  EXPECT_EQ(replay(), "a y* b");
}

TEST_F(LogWriting, ASegmentRotatesAtEveryFillLevel) {
  const uint64_t room = kSegmentBytesMin - kRecordsOffset - options.border_bytes;
  for (uint64_t left = 0; left <= 1200; left += 8) {
    for (const bool synced : {false, true}) {
      disk.restore({});
      open();
      // Leaves `left` bytes; then come a record of 1 KiB and a small one.
      append(std::string(100'000, 'a'));
      append(std::string(100'000, 'b'));
      const uint64_t used = 2 * record_space_bytes(100'000);
      append(std::string(room - used - left - kRecordHeaderBytes, 'c'));
      if (synced) {
        sync();
      }
      append(std::string(1000, 'd'));
      append("e");
      kill();
      ASSERT_EQ(replay(), "a* b* c* d* e") << left;
      const uint64_t usable = synced ? left / options.border_bytes * options.border_bytes : left;
      ASSERT_EQ(disk.has(path(2)), usable < record_space_bytes(1000) + record_space_bytes(1)) << left;
      open();
      kill();
      ASSERT_EQ(replay(), "a* b* c* d* e") << left;
    }
  }
}

TEST_F(LogWriting, TheFullSegmentIsSyncedBeforeTheNextHoldsARecord) {
  open();
  append("a");
  const uint64_t syncs = writer->counters().syncs;
  rotate();
  EXPECT_EQ(writer->counters().syncs, syncs + 1);
  const uint64_t end = header_of(2).prev_last_lsn;
  EXPECT_EQ(writer->durable_lsn(), end);
  EXPECT_EQ(writer->written_lsn(), end + 1);
  EXPECT_EQ(writer->counters().rotations, 1u);
  // What the rotation covered needs no sync.
  ASSERT_TRUE(writer->sync(end).ok());
  EXPECT_EQ(writer->counters().syncs, syncs + 1);
}

TEST_F(LogWriting, CommitGroupsStartOnABorder) {
  for (const uint32_t border : {512u, 4096u}) {
    disk.restore({});
    options.border_bytes = border;
    open();
    for (size_t bytes = 0; bytes < 1100; bytes += 8) {
      const std::string payload = std::to_string(bytes) + ":" + std::string(bytes, 'x');
      const size_t before = segment(1).find_last_not_of('\0');
      if (before > kRecordsOffset + 1200 * 120) {
        break;
      }
      commit(payload);
      EXPECT_EQ(find(1, payload) % border, 0u) << bytes;
    }
    kill();
    EXPECT_THAT(replay(), ::testing::Not(::testing::HasSubstr("torn")));
    EXPECT_GT(report.last_lsn, 20u);
  }
}

TEST_F(LogWriting, ASyncedGroupsSectorsAreNeverWrittenAgain) {
  open();
  uint64_t synced_to = 0;
  for (int i = 0; i < 30; ++i) {
    append(std::string(static_cast<size_t>(i) * 17, 'x'));
    append("tail");
    sync();
    const std::string synced = segment(1).substr(kRecordsOffset, synced_to);
    const size_t end = segment(1).find_last_not_of('\0') + 1 - kRecordsOffset;
    EXPECT_EQ(synced, segment(1).substr(kRecordsOffset, synced_to));
    synced_to = round_up(end, 512);
    const std::string now = segment(1).substr(kRecordsOffset, synced_to);
    append("next");
    EXPECT_EQ(segment(1).substr(kRecordsOffset, synced_to), now);
    EXPECT_EQ(find(1, "next") % 8, 0u);
  }
}

TEST_F(LogWriting, SyncOfWhatIsDurableCostsNoSync) {
  open();
  commit("a");
  const uint64_t syncs = files.count(FileCall::kSync);
  sync();
  ASSERT_TRUE(writer->sync(0).ok());
  EXPECT_EQ(files.count(FileCall::kSync), syncs);
  EXPECT_EQ(writer->sync(2).code, Code::kInvalidArgument);
}

TEST_F(LogWriting, ASplitGroupGoesIntoTwoSegmentsOnlyIfItDoesNotFit) {
  open();
  {
    Writer::Append append(*writer);
    append.add(kTestType, "a");
    append.add(kTestType, "b");
    EXPECT_EQ(*append.commit_split(1), 2u);
  }
  append(std::string(100'000, 'c'));
  {
    Writer::Append append(*writer);
    append.add(kTestType, std::string(100'000, 'd'));
    append.add(kTestType, std::string(100'000, 'e'));
    EXPECT_EQ(*append.commit_split(1), 5u);
  }
  EXPECT_EQ(header_of(2).first_lsn, 5u);
  kill();
  EXPECT_EQ(replay(), "a b c* d* e*");
}

TEST_F(LogWriting, ASplitGroupWithoutRoomForItsLeadingPartMovesWhole) {
  open();
  append(std::string(120'000, 'a'));
  append(std::string(100'000, 'b'));
  {
    Writer::Append append(*writer);
    append.add(kTestType, std::string(100'000, 'd'));
    append.add(kTestType, "e");
    EXPECT_EQ(*append.commit_split(1), 4u);
  }
  EXPECT_EQ(header_of(2).first_lsn, 3u);
  kill();
  EXPECT_EQ(replay(), "a* b* d* e");
}

TEST_F(LogWriting, ASplitGroupLargerThanASegmentIsWrittenInTwo) {
  open();
  append("a");
  {
    Writer::Append append(*writer);
    append.add(kTestType, std::string(120'000, 'b'));
    append.add(kTestType, std::string(120'000, 'c'));
    append.add(kTestType, std::string(120'000, 'd'));
    EXPECT_EQ(append.commit().code(), Code::kTooLarge);
    append.add(kTestType, std::string(120'000, 'b'));
    append.add(kTestType, std::string(120'000, 'c'));
    append.add(kTestType, std::string(120'000, 'd'));
    EXPECT_EQ(*append.commit_split(1), 4u);
  }
  kill();
  EXPECT_EQ(replay(), "a b* c* d*");
}

// ------------------------------------------------------------------------------------------------- spares, disk budget

TEST_F(LogWriting, AtMostOneSpareIsMadeAndItIsReallyZeroFilledAndSynced) {
  open();
  EXPECT_EQ(files_there().size(), 1u);
  ASSERT_TRUE(writer->prepare_spare().ok());
  ASSERT_TRUE(writer->prepare_spare().ok());
  EXPECT_EQ(files_there().size(), 2u);
  EXPECT_EQ(writer->disk_bytes(), 2u * kSegmentBytesMin);
  EXPECT_EQ(segment(2).size(), kSegmentBytesMin);
  EXPECT_EQ(segment(2).find_first_not_of('\0', kRecordsOffset), std::string::npos);
  EXPECT_EQ(header_of(2).state, SegmentState::kSpare);
  const std::string spare = segment(2);
  power_cut();
  EXPECT_EQ(segment(2), spare);
}

TEST_F(LogWriting, ARecycledSegmentBecomesTheSpareOrGoes) {
  open();
  for (int i = 0; i < 4; ++i) {
    rotate();
  }
  sync();
  ASSERT_EQ(files_there().size(), 5u);
  applied = writer->written_lsn();
  ASSERT_TRUE(writer->recycle(0).ok());
  EXPECT_EQ(files_there().size(), 5u);
  ASSERT_TRUE(writer->recycle(applied).ok());
  EXPECT_EQ(files_there(), (std::vector<std::string>{segment_name(5), segment_name(6)}));
  EXPECT_EQ(header_of(6).state, SegmentState::kSpare);
  EXPECT_EQ(writer->counters().recycled, 4u);
  EXPECT_EQ(writer->disk_bytes(), 2u * kSegmentBytesMin);
  append("z");
  kill();
  EXPECT_EQ(replay(applied + 1), "z");
}

TEST_F(LogWriting, OnlySegmentsAtOrBelowTheAppliedLsnAreRecycled) {
  open();
  rotate();
  const uint64_t end_of_first = header_of(2).prev_last_lsn;
  rotate();
  ASSERT_TRUE(writer->recycle(end_of_first - 1).ok());
  EXPECT_TRUE(disk.has(path(1)));
  ASSERT_TRUE(writer->recycle(end_of_first).ok());
  EXPECT_FALSE(disk.has(path(1)));
  EXPECT_TRUE(disk.has(path(2)));
}

TEST_F(LogWriting, WithoutSpaceForASpareTheExistingOneIsUsedAndThenAppendsFailUntilSpaceReturns) {
  bool full = false;
  uint64_t asked = 0;
  options.may_grow = [&](uint64_t bytes) {
    asked = bytes;
    return full ? Status(Code::kNoSpace, "budget") : Status();
  };
  open();
  ASSERT_TRUE(writer->prepare_spare().ok());
  EXPECT_EQ(asked, kSegmentBytesMin);
  full = true;
  while (try_append({std::string(20'000, 'x')}).ok()) {
  }
  EXPECT_EQ(writer->counters().rotations, 1u);
  const uint64_t written = writer->written_lsn();
  EXPECT_EQ(try_append({std::string(20'000, 'x')}).code, Code::kNoSpace);
  EXPECT_EQ(writer->written_lsn(), written);
  EXPECT_FALSE(writer->latched());
  sync();  // what was accepted can still be made durable
  full = false;
  append("z");
  EXPECT_EQ(writer->written_lsn(), written + 1);
  kill();
  EXPECT_THAT(replay(), ::testing::EndsWith("x* z"));
}

TEST_F(LogWriting, WithoutSpaceASmallSegmentDoesForWhatGivesSpaceBack) {
  uint64_t room = UINT64_MAX;
  bool small = false;
  int asked = 0;
  options.segment_bytes = 1u << 20;
  options.may_grow = [&](uint64_t bytes) { return bytes > room ? Status(Code::kNoSpace, "budget") : Status(); };
  options.small_will_do = [&] { return small; };
  options.make_room = [&] {
    room = kSegmentBytesMin;
    return ++asked == 1;
  };
  open();
  room = 0;
  while (try_append({std::string(20'000, 'x')}).ok()) {
  }
  EXPECT_EQ(asked, 0) << "an update takes nothing of what is held back";
  small = true;
  append(std::string(20'000, 'e'));
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(header_of(2).segment_bytes, kSegmentBytesMin);

  ASSERT_TRUE(writer->prepare_spare().ok());  // a small one, too
  small = false;
  EXPECT_EQ(try_append({std::string(300'000, 'y')}).code, Code::kNoSpace);
  room = UINT64_MAX;
  append(std::string(300'000, 'y'));
  EXPECT_EQ(header_of(3).segment_bytes, options.segment_bytes) << "what a small spare cannot hold replaces it";
  kill();
  EXPECT_THAT(replay(), ::testing::EndsWith("e* y*"));
}

TEST_F(LogWriting, AFullDiskLeavesNoPartOfASpare) {
  open();
  for (uint64_t nth = 1; nth < 7; ++nth) {
    files.fail({FileCall::kWrite, nth, kFull, true, 100});
    EXPECT_EQ(writer->prepare_spare().code, Code::kNoSpace);
    EXPECT_EQ(files_there().size(), 1u) << nth;
    files.fail_none();
  }
  ASSERT_TRUE(writer->prepare_spare().ok());
  EXPECT_FALSE(writer->latched());
}

TEST_F(LogWriting, ASpareWhoseSyncOrNameFailedIsNotUsed) {
  open();
  for (const FileCall call : {FileCall::kSync, FileCall::kRename, FileCall::kSyncDirectory}) {
    files.fail({call, 1, kBroken, false, 0});
    EXPECT_EQ(writer->prepare_spare().code, Code::kIo);
    EXPECT_EQ(files_there().size(), call == FileCall::kSyncDirectory ? 2u : 1u) << "a name that may vanish may stay";
  }
  EXPECT_FALSE(writer->latched());
  ASSERT_TRUE(writer->prepare_spare().ok());
}

// ------------------------------------------------------------------------------------------------------------ failures

TEST_F(LogWriting, AFailedAppendGivesItsLsnsPlaceAndChainBack) {
  for (const size_t through : {size_t{0}, size_t{40}, size_t{90}, size_t{100'000}}) {
    disk.restore({});
    open();
    append("a");
    files.fail({FileCall::kWrite, 1, kFull, false, through});
    EXPECT_EQ(try_append({"b", "c", "d"}).code, Code::kNoSpace);
    EXPECT_EQ(writer->written_lsn(), 1u);
    EXPECT_EQ(replay().substr(0, 1), "a") << through;
    append("e");
    kill();
    EXPECT_THAT(replay(), ::testing::StartsWith("a e")) << through;
    EXPECT_EQ(report.last_lsn, 2u);
  }
}

TEST_F(LogWriting, AFailedAppendIsNotReadableAfterAKill) {
  open();
  append("a");
  files.fail({FileCall::kWrite, 1, kFull, false, 1000});
  EXPECT_EQ(try_append({"b", "c", "d"}).code, Code::kNoSpace);
  kill();
  EXPECT_EQ(replay(), "a");
  open();
  append("e");
  kill();
  EXPECT_EQ(replay(), "a e");
}

TEST_F(LogWriting, AFailedAppendThatCanBeReadAndNotTakenBackLatches) {
  open();
  append("a");
  files.fail({FileCall::kWrite, 1, kFull, false, 1000});
  files.fail({FileCall::kWrite, 1, kFull, true, 0});
  EXPECT_EQ(try_append({"b", "c"}).code, Code::kLatched);
  EXPECT_TRUE(writer->latched());
  files.fail_none();
  EXPECT_EQ(try_append({"d"}).code, Code::kLatched);
  EXPECT_EQ(writer->written_lsn(), 1u);
  reopen();
  append("e");
  kill();
  EXPECT_EQ(replay(), "a b c e");
}

TEST_F(LogWriting, AFailedAppendThatNeverBecameReadableDoesNotLatchEvenIfNothingCanBeWritten) {
  for (const size_t through : {size_t{0}, size_t{20}}) {  // not even the first record is whole
    disk.restore({});
    open();
    append("a");
    files.fail({FileCall::kWrite, 1, kFull, false, through});
    files.fail({FileCall::kWrite, 1, kFull, true, 0});
    EXPECT_EQ(try_append({"b", "c"}).code, Code::kNoSpace);
    EXPECT_FALSE(writer->latched());
    files.fail_none();
    append("d");
    kill();
    EXPECT_EQ(replay(), "a d");
  }
}

TEST_F(LogWriting, NoRecordOfAFailedAppendIsReadableBehindOneThatIsAppendedAgain) {
  open();
  append("a");
  files.fail({FileCall::kWrite, 1, kFull, false, 1000});
  EXPECT_EQ(try_append({"b", "c", "d"}).code, Code::kNoSpace);
  append("b");  // the same bytes in the same place
  kill();
  EXPECT_EQ(replay(), "a b");
}

TEST_F(LogWriting, AnErrorOfALogWriteLatches) {
  open();
  commit("a");
  append("b");
  files.fail({FileCall::kWrite, 1, kBroken, false, 0});
  EXPECT_EQ(try_append({"c"}).code, Code::kIo);
  EXPECT_TRUE(writer->latched());
  EXPECT_EQ(try_append({"d"}).code, Code::kLatched);
  EXPECT_EQ(try_sync().code, Code::kLatched);
  EXPECT_TRUE(writer->sync(1).ok());  // was durable before
  EXPECT_EQ(writer->prepare_spare().code, Code::kLatched);
  EXPECT_EQ(writer->recycle(1).code, Code::kLatched);
  EXPECT_EQ(writer->note_idle().code, Code::kLatched);
  EXPECT_EQ(writer->close_clean().code, Code::kLatched);
  reopen();
  EXPECT_FALSE(writer->latched());
  append("e");
  kill();
  EXPECT_EQ(replay(), "a b e");
}

TEST_F(LogWriting, AFailedSyncOfTheFullSegmentLatchesAndNothingWasAppended) {
  open();
  append("a");
  ASSERT_TRUE(writer->prepare_spare().ok());
  Status s;
  files.fail({FileCall::kSync, 1, kBroken, false, 0});
  uint64_t written = 0;
  do {
    written = writer->written_lsn();
    s = try_append({std::string(20'000, 'x')});
  } while (s.ok());
  EXPECT_EQ(s.code, Code::kLatched);
  EXPECT_EQ(writer->written_lsn(), written);
  EXPECT_TRUE(writer->latched());
}

TEST_F(LogWriting, NoSpaceDuringARotationChangesNothingAndWorksAgainLater) {
  for (uint64_t nth = 1; nth <= 2; ++nth) {  // the SEAL, then the activation
    disk.restore({});
    open();
    ASSERT_TRUE(writer->prepare_spare().ok());
    append(std::string(120'000, 'a'));
    append(std::string(100'000, 'b'));
    files.fail({FileCall::kWrite, nth, kFull, false, 8300});
    EXPECT_EQ(try_append({std::string(100'000, 'c')}).code, Code::kNoSpace);
    EXPECT_EQ(writer->written_lsn(), 2u);
    EXPECT_FALSE(writer->latched());
    EXPECT_EQ(replay().substr(0, 5), "a* b*");
    append(std::string(100'000, 'd'));
    sync();
    kill();
    EXPECT_EQ(replay(), "a* b* d*") << nth;
  }
}

// What was appended took effect, so the sync must not say NO_SPACE: whoever tries again would do it twice.
TEST_F(LogWriting, NoSpaceForThePaddingIsNoFailureOfTheSync) {
  open();
  append("a");
  files.fail({FileCall::kWrite, 1, kFull, false, 0});
  sync();
  EXPECT_EQ(writer->durable_lsn(), 1u);
  commit("b");
  power_cut();
  EXPECT_EQ(replay(), "a b");
}

// ------------------------------------------------------------------------------------------------------- idle and
// close

TEST_F(LogWriting, TheIdleNoteIsWrittenOnceAndOnlyWhenEverythingIsDurable) {
  open();
  append("a");
  uint64_t writes = files.count(FileCall::kWrite);
  ASSERT_TRUE(writer->note_idle().ok());
  EXPECT_EQ(files.count(FileCall::kWrite), writes);
  sync();
  kill();
  EXPECT_EQ((replay(), report.watermark), 0u);
  open();
  commit("b");
  writes = files.count(FileCall::kWrite);
  ASSERT_TRUE(writer->note_idle().ok());
  ASSERT_TRUE(writer->note_idle().ok());
  EXPECT_EQ(files.count(FileCall::kWrite), writes + 1);
  EXPECT_EQ((replay(), report.watermark), 2u);
}

TEST_F(LogWriting, ACleanlyClosedLogGoesOnInPlace) {
  open();
  append("a");
  close();
  EXPECT_EQ(replay(), "a; clean");
  EXPECT_EQ(report.watermark, 1u);
  open();
  EXPECT_EQ(files_there().size(), 1u);
  EXPECT_EQ(writer->durable_lsn(), 1u);
  append("b");
  kill();
  EXPECT_EQ(replay(), "a b");
  EXPECT_FALSE(report.clean);
}

TEST_F(LogWriting, ClosingTwiceOrWithoutAppendsWritesNothingNew) {
  open();
  append("a");
  close();
  const auto all = disk.save();
  open();
  ASSERT_TRUE(writer->close_clean().ok());
  ASSERT_TRUE(writer->close_clean().ok());
  EXPECT_EQ(try_append({"b"}).code, Code::kClosed);
  kill();
  EXPECT_EQ(disk.save(), all);
}

TEST_F(LogWriting, TheCloseMarkerNeverReachesTheDiskBeforeTheRecords) {
  for (int i = 0; i < 50; ++i) {
    disk.restore({});
    open();
    append_group({std::string(1000, 'a'), std::string(1000, 'b')});  // not in one sector with the marker
    files.stop_after(static_cast<uint64_t>(i % 6));
    const bool closed = writer->close_clean().ok();
    files.heal();
    power_cut();
    const std::string text = replay();
    EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("CORRUPT")));
    EXPECT_TRUE(!closed || text == "a* b*; clean") << text;
  }
}

}  // namespace
}  // namespace cairn::wal
