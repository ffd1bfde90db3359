// What a scan says about every kind of end, hole, damage and foreign file.
#include "tests/wal/log_fixture.h"

namespace cairn::wal {
namespace {

class Reader : public LogFixture {
 protected:
  std::string salvaged() {
    std::string text;
    const Status s = salvage(disk, options.store, [&text](const RecordView& record, bool in_order) {
      text += text.empty() ? "" : " ";
      text += record.payload.substr(0, 8);
      text += in_order ? "" : "?";
      return Status();
    });
    EXPECT_TRUE(s.ok());
    return text;
  }
  std::string range(uint64_t from, uint64_t to) {
    std::string text;
    const Status s = read_range(disk, options.store, from, to, [&text](const RecordView& record) {
      text += std::to_string(record.lsn) + ":" + std::string(record.payload.substr(0, 1)) + " ";
      return Status();
    });
    return s.ok() ? text : text + "status " + std::to_string(static_cast<int>(s.code));
  }
};

TEST_F(Reader, EmptyDirectoryIsAnEmptyLog) {
  EXPECT_EQ(replay(), "");
  EXPECT_EQ(report.last_lsn, 0u);
  EXPECT_EQ(report.segments, 0u);
}

TEST_F(Reader, RecordsComeBackInOrderAfterAKill) {
  open();
  append_group({"a", "b"});
  append("");
  append("d");
  kill();
  EXPECT_EQ(replay(), "a b  d");
  EXPECT_EQ(report.first_lsn, 1u);
  EXPECT_EQ(report.last_lsn, 4u);
  EXPECT_EQ(report.watermark, 0u);
  EXPECT_FALSE(report.clean);
}

TEST_F(Reader, FromLeavesOutWhatIsBelow) {
  open();
  append_group({"a", "b", "c"});
  kill();
  EXPECT_EQ(replay(2), "b c");
  EXPECT_EQ(replay(4), "");
}

TEST_F(Reader, AStatusOfTheVisitorEndsTheScanAndIsReturned) {
  open();
  append_group({"a", "b", "c"});
  int visited = 0;
  const Status s = scan(
      disk, options.store, 1, 0,
      [&visited](const RecordView&) { return ++visited == 2 ? Status(Code::kTimeout) : Status(); }, report);
  EXPECT_EQ(s.code, Code::kTimeout);
  EXPECT_EQ(visited, 2);
}

TEST_F(Reader, TornLastRecordEndsReplayWithoutError) {
  open();
  commit("a");
  append("b");
  kill();
  zero(1, find(1, "b") + kRecordHeaderBytes, 1);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2");
}

TEST_F(Reader, ValidRecordBehindAHoleIsDroppedAndCounted) {
  open();
  commit("a");
  append_group({"b", "c", "d"});
  kill();
  zero(1, find(1, "b"), kRecordHeaderBytes + 1);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2, 2 dropped");
}

TEST_F(Reader, DamageBelowTheWatermarkOfALaterRecordIsCorruption) {
  open();
  commit("a");
  commit("b");
  append("c");
  kill();
  const size_t at = find(1, "b");
  flip(1, at + kRecordHeaderBytes);
  EXPECT_EQ(replay(), std::string("a; CORRUPT 0000000000000001.wal+") + std::to_string(at) + " lsn 2..2");
  EXPECT_EQ(report.last_lsn, 1u);
  EXPECT_EQ(try_open().code, Code::kCorrupt);
}

TEST_F(Reader, DamageBelowTheCallersDurableLsnIsCorruption) {
  open();
  commit("a");
  append("b");
  kill();
  flip(1, find(1, "b") + kRecordHeaderBytes);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2");
  applied = 2;
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT"));
}

TEST_F(Reader, DamageBeforeACleanCloseIsCorruptionEvenInTheLastGroup) {
  open();
  append("a");
  append("b");
  close();
  EXPECT_EQ(replay(), "a b; clean");
  flip(1, find(1, "b") + kRecordHeaderBytes);
  EXPECT_THAT(replay(), ::testing::HasSubstr("a; CORRUPT"));
}

TEST_F(Reader, DamageAboveTheIdleNoteIsATornTailAndBelowItCorruption) {
  open();
  commit("a");
  commit("b");
  const size_t payload = find(1, "b") + kRecordHeaderBytes;
  flip(1, payload);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2");
  flip(1, payload);
  ASSERT_TRUE(writer->note_idle().ok());
  flip(1, payload);
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT"));
}

TEST_F(Reader, DamageInAFullSegmentIsCorruptionAndLaterSegmentsAreNotServed) {
  open();
  append("a");
  rotate();
  append("z");
  kill();
  const std::string whole = replay();
  EXPECT_THAT(whole, ::testing::EndsWith("z"));
  const uint64_t last = report.files[0].last_lsn;
  const size_t at = find(1, "r");
  flip(1, at + kRecordHeaderBytes + 5);
  EXPECT_EQ(replay(),
            std::string("a; CORRUPT 0000000000000001.wal+") + std::to_string(at) + " lsn 2.." + std::to_string(last));
  EXPECT_THAT(salvaged(), ::testing::EndsWith("z?"));
  EXPECT_THAT(salvaged(), ::testing::StartsWith("a rrrrrrrr?"));
}

TEST_F(Reader, EveryDamagedSegmentIsReported) {
  open();
  append("a");
  rotate();
  rotate();
  append("z");
  kill();
  flip(1, find(1, "r") + kRecordHeaderBytes);
  flip(2, find(2, "r") + kRecordHeaderBytes);
  EXPECT_THAT(replay(), ::testing::AllOf(::testing::HasSubstr("CORRUPT 0000000000000001.wal"),
                                         ::testing::HasSubstr("CORRUPT 0000000000000002.wal")));
}

TEST_F(Reader, DamagedPaddingLosesNothing) {
  open();
  commit("a");
  commit("b");
  append("c");
  kill();
  flip(1, round_up(find(1, "a") + 33, 8) + 40);
  EXPECT_EQ(replay(), "a b c");
}

TEST_F(Reader, ARecordOutOfTheChainIsNotServed) {
  open();
  append_group({"a", "b", "c"});
  kill();
  // "b" with a right checksum but another chain.
  const size_t at = find(1, "b");
  const SegmentHeader header = header_of(1);
  RecordHeader record = peek_record_header(segment(1).data() + at);
  record.chain ^= 1;
  write_record_header(segment(1).data() + at, record, at, header.salt);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2, 2 dropped");
}

TEST_F(Reader, ARecordMovedToAnotherPlaceIsNotServed) {
  open();
  append_group({"a", "b", "c"});
  kill();
  const size_t space = record_space_bytes(1);
  const std::string c = segment(1).substr(find(1, "c"), space);
  segment(1).replace(find(1, "b"), space, c);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2, 1 dropped");
}

TEST_F(Reader, StaleBytesOfARecycledFileAreNeverServed) {
  open();
  for (int i = 0; i < 400; ++i) {
    append(std::string(600, 'o'));  // old life, same places
  }
  rotate();
  applied = writer->written_lsn() - 1;
  sync();
  ASSERT_TRUE(writer->recycle(applied).ok());
  ASSERT_FALSE(disk.has(path(1)));
  ASSERT_TRUE(disk.has(path(3)));
  EXPECT_NE(segment(3).find(std::string(600, 'o')), std::string::npos);
  rotate();
  append(std::string(600, 'n'));
  const uint64_t last = writer->written_lsn();
  kill();
  EXPECT_THAT(replay(applied + 1), ::testing::EndsWith("n*"));
  EXPECT_EQ(report.last_lsn, last);
  EXPECT_FALSE(report.torn_tail);
}

TEST_F(Reader, OneDamagedHeaderCopyIsServedByTheOther) {
  for (const size_t offset : {size_t{20}, size_t{kHeaderPageBytes} + 20}) {
    disk.restore({});
    open();
    commit("a");
    append("b");
    kill();
    flip(1, offset);
    EXPECT_EQ(replay(), "a b") << offset;
  }
}

TEST_F(Reader, BothHeadersDamagedIsCorruptionWhereSomethingDurableStood) {
  open();
  commit("a");
  commit("b");
  kill();
  flip(1, 20);
  flip(1, kHeaderPageBytes + 20);
  EXPECT_EQ(replay(), "; CORRUPT 0000000000000001.wal+0 lsn 1..1");
}

TEST_F(Reader, BothHeadersDamagedInAFullSegmentIsCorruption) {
  open();
  append("a");
  rotate();
  rotate();
  kill();
  flip(2, 20);
  flip(2, kHeaderPageBytes + 20);
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT 0000000000000002.wal+0"));
}

TEST_F(Reader, ANewestSegmentWithoutHeadersThatHoldsNothingDurableIsRemovedAndItsNumberUsedAgain) {
  open();
  append("a");
  rotate();
  const uint64_t kept = header_of(2).prev_last_lsn;
  kill();
  zero(2, 0, kRecordsOffset);
  EXPECT_THAT(replay(), ::testing::Not(::testing::HasSubstr("CORRUPT")));
  EXPECT_EQ(report.last_lsn, kept);
  open();
  append("b");
  kill();
  EXPECT_THAT(replay(), ::testing::EndsWith(" b"));
  EXPECT_EQ(header_of(2).seq, 2u);
  EXPECT_FALSE(disk.has(path(3)));
}

TEST_F(Reader, AMissingSegmentIsCorruptionAboveTheCheckpointAndFineBelowIt) {
  open();
  append("a");
  rotate();
  rotate();
  append("z");
  kill();
  const std::string whole = replay();
  const uint64_t end_of_first = report.files[0].last_lsn;
  const uint64_t end_of_second = report.files[1].last_lsn;
  const auto all = disk.save();

  ASSERT_TRUE(disk.remove(path(2)).ok());
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT 0000000000000001.wal"));
  EXPECT_EQ(report.damage[0].lsn_first, end_of_first + 1);
  EXPECT_EQ(report.damage[0].lsn_last, end_of_second);
  applied = end_of_second;
  EXPECT_THAT(replay(applied + 1), ::testing::EndsWith("z"));
  EXPECT_TRUE(report.damage.empty());
  applied = 0;

  disk.restore(all);
  ASSERT_TRUE(disk.remove(path(1)).ok());
  EXPECT_THAT(replay(), ::testing::StartsWith("; CORRUPT"));
  EXPECT_EQ(report.damage[0].lsn_first, 1u);
  EXPECT_EQ(report.damage[0].lsn_last, end_of_first);
  EXPECT_THAT(replay(0), ::testing::EndsWith("z"));  // 0: from wherever it begins
  EXPECT_TRUE(report.damage.empty());
  EXPECT_EQ(report.first_lsn, end_of_first + 1);
  applied = end_of_first;
  EXPECT_THAT(replay(applied + 1), ::testing::EndsWith("z"));
  EXPECT_TRUE(report.damage.empty());
}

TEST_F(Reader, ANewestSegmentLostBelowTheCallersDurableLsnIsCorruption) {
  open();
  append("a");
  rotate();
  append("z");
  sync();
  applied = writer->written_lsn();
  kill();
  ASSERT_TRUE(disk.remove(path(2)).ok());
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT"));
}

TEST_F(Reader, SwappedAndCopiedAndRenamedSegmentsAreDetected) {
  open();
  append("a");
  rotate();
  rotate();
  append("z");
  kill();
  const auto all = disk.save();

  std::swap(segment(1), segment(2));
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT 0000000000000001.wal+0"));
  disk.restore(all);
  disk.put(path(4), segment(3));
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT 0000000000000004.wal+0"));
  disk.restore(all);
  ASSERT_TRUE(disk.rename(path(3), path(9)).ok());
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT 0000000000000009.wal+0"));
}

TEST_F(Reader, AnOlderStateOfASegmentPutBackIsCorruption) {
  open();
  append("a");
  append("b");
  const std::string before = segment(1);
  rotate();
  append("z");
  kill();
  segment(1) = before;
  EXPECT_THAT(replay(), ::testing::StartsWith("a b; CORRUPT 0000000000000001.wal"));
}

TEST_F(Reader, ASegmentOfAnotherLogWithTheSameNumbersBreaksTheChain) {
  open();
  append("a");
  rotate();
  append("z");
  kill();
  const std::string other = segment(1);
  disk.restore({});
  open();
  append("A");
  rotate();
  append("Z");
  kill();
  segment(1) = other;  // same store, same LSNs, other records
  EXPECT_THAT(replay(), ::testing::HasSubstr("CORRUPT 0000000000000002.wal+0"));
  EXPECT_THAT(replay(), ::testing::Not(::testing::HasSubstr("Z")));
}

TEST_F(Reader, AnotherStoresSegmentIsNamedAndNothingIsVisited) {
  open();
  commit("a");
  kill();
  options.store = store_id(8);
  EXPECT_EQ(replay(), std::string("status ") + std::to_string(static_cast<int>(Code::kNotAStore)));
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_EQ(report.damage[0].segment, segment_name(1));
  const auto before = disk.save();
  EXPECT_EQ(try_open().code, Code::kNotAStore);
  EXPECT_EQ(disk.save(), before);
}

TEST_F(Reader, ANewerFormatIsRefusedAndNothingIsTouched) {
  open();
  commit("a");
  kill();
  for (uint32_t copy = 0; copy < kHeaderCopies; ++copy) {
    SegmentHeader header = header_of(1, copy);
    header.version = kFormatVersion + 1;
    const auto bytes = encode_segment_header(header, copy);
    segment(1).replace(size_t{copy} * kHeaderPageBytes, bytes.size(), bytes.data(), bytes.size());
  }
  const auto before = disk.save();
  EXPECT_EQ(try_open().code, Code::kVersion);
  EXPECT_EQ(disk.save(), before);
}

TEST_F(Reader, AnUnknownRecordOfTheLogsOwnIsPassedOverOnlyIfSkippable) {
  for (const uint8_t flags : {uint8_t{0}, kFlagSkippable}) {
    disk.restore({});
    open();
    append("a");
    kill();
    const SegmentHeader segment_header = header_of(1);
    const size_t at = find(1, "a");
    RecordHeader header;
    header.length_bytes = kRecordHeaderBytes;
    header.type = 9;
    header.flags = flags;
    header.lsn = 1;
    header.chain = static_cast<uint32_t>(peek_record_header(segment(1).data() + at).checksum);
    const size_t next = at + record_space_bytes(1);
    write_record_header(segment(1).data() + next, header, next, segment_header.salt);
    if (flags == 0) {
      EXPECT_EQ(replay(), std::string("status ") + std::to_string(static_cast<int>(Code::kVersion)));
    } else {
      EXPECT_EQ(replay(), "a");
    }
  }
}

// A crash leaves every segment its length: a torn tail is torn within it.
TEST_F(Reader, ACutFileIsCorruptAndATornTailOfTheSameBytesIsNot) {
  open();
  commit("a");
  append("b");
  kill();
  const size_t cut = find(1, "b") + 20;
  zero(1, cut, segment(1).size() - cut);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2");
  segment(1).resize(cut);
  EXPECT_EQ(replay(), "a; CORRUPT 0000000000000001.wal+" + std::to_string(cut) + " lsn 2..2");
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_TRUE(report.damage[0].open_end);
  segment(1).resize(0);
  EXPECT_EQ(replay(), "; CORRUPT 0000000000000001.wal+0 lsn 1..1");
}

TEST_F(Reader, OtherFilesInTheDirectoryAreIgnored) {
  open();
  commit("a");
  kill();
  disk.put("wal/spare.tmp", "x");
  disk.put("wal/0000000000000001.WAL", "x");
  disk.put("wal/000000000000000G.wal", "x");
  EXPECT_EQ(replay(), "a");
}

TEST_F(Reader, MadeUpRecordsInsideAPayloadAreNotServedAndCostLittle) {
  open();
  // A payload full of headers that look right in all but the checksum, each claiming the longest length.
  std::string hostile;
  for (int i = 0; i < 3000; ++i) {
    RecordHeader header;
    header.length_bytes = 60'000;
    header.type = kTestType;
    header.lsn = 2;
    hostile.append(reinterpret_cast<const char*>(&header), sizeof(header));
  }
  append("a");
  append(hostile);
  kill();
  zero(1, find(1, "a") + record_space_bytes(1) + offsetof(RecordHeader, checksum), 8);
  EXPECT_EQ(replay(), "a; torn tail at lsn 2");
}

TEST_F(Reader, ReadRangeGivesTheRecordsAskedForAcrossSegments) {
  open();
  append("a");
  rotate();
  append("z");
  const uint64_t last = writer->written_lsn();
  EXPECT_EQ(range(1, 2), "1:a 2:r ");
  EXPECT_EQ(range(last - 1, last), std::to_string(last - 1) + ":r " + std::to_string(last) + ":z ");
  EXPECT_EQ(range(3, 2), "");
  EXPECT_THAT(range(last, last + 1), ::testing::EndsWith("status 68"));
  flip(1, find(1, "a") + kRecordHeaderBytes);
  EXPECT_EQ(range(1, 1), "status 68");
}

TEST_F(Reader, ALogThatIsBeingWrittenReadsUpToItsEndSoFar) {
  open();
  append("a");
  EXPECT_EQ(replay(), "a");
  commit("b");
  ASSERT_TRUE(writer->prepare_spare().ok());
  EXPECT_EQ(replay(), "a b");
  rotate();
  append("c");
  EXPECT_THAT(replay(), ::testing::EndsWith(" c"));
  EXPECT_TRUE(report.damage.empty());
}

TEST_F(Reader, ARecordCompletedWhileItIsReadIsNotTakenForDamage) {
  open();
  commit("a");
  append("b");
  sync();
  append("c");
  kill();
  const std::string after = segment(1);
  // The reader gets the page with "b" from before and the page with "c" from after.
  std::string mixed = after;
  mixed.replace(find(1, "b"), 40, std::string(40, '\0'));
  segment(1) = mixed;
  int reads = 0;
  files.before = [&](testing::FileCall call, const std::string& name) {
    if (call == testing::FileCall::kRead && name == path(1) && ++reads == 3) {
      segment(1) = after;
    }
  };
  std::string text;
  ASSERT_TRUE(scan(
                  files, options.store, 1, 0,
                  [&text](const RecordView& record) {
                    text += record.payload;
                    return Status();
                  },
                  report)
                  .ok());
  EXPECT_EQ(text, "abc");
  EXPECT_TRUE(report.damage.empty());
}

}  // namespace
}  // namespace cairn::wal
