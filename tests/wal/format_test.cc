// The bytes on disk: pinned by a golden file, and by flipping each of them once.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/wal/log_fixture.h"

namespace cairn::wal {
namespace {

class Format : public LogFixture {
 protected:
  // A short life that uses every kind of record but the SEAL.
  void write_example() {
    random.seed(1);
    open();
    append_group({"first", "second record"});
    sync();
    append("third");
    sync();
    EXPECT_TRUE(writer->note_idle().ok());
    append("");
    close();
  }
  static std::string golden_path() { return std::string(CAIRN_TEST_DATA) + "/golden/wal_v1.bin"; }
  static std::string read_golden() {
    std::ifstream in(golden_path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  // The golden file ends with its last byte that is not zero.
  static std::string trimmed(const std::string& bytes) { return bytes.substr(0, bytes.find_last_not_of('\0') + 1); }

  // Flips one bit of each byte up to `end`, and of some behind it. What is delivered must be a prefix of the truth, and
  // if anything at or below `durable` is not, there must be a report.
  void flip_every_byte(const std::string& truth, uint64_t durable, size_t end) {
    const std::string good = segment(1);
    std::vector<std::string> prefixes{""};
    for (size_t i = truth.find(' '); i != std::string::npos; i = truth.find(' ', i + 1)) {
      prefixes.push_back(truth.substr(0, i));
    }
    prefixes.push_back(truth);
    uint64_t reported = 0;
    for (size_t at = 0; at < good.size(); at += at < end ? 1 : 997) {
      segment(1)[at] = static_cast<char>(good[at] ^ (1 << at % 8));
      const std::string text = replay();
      const std::string delivered = text.substr(0, text.find(';'));
      ASSERT_THAT(prefixes, ::testing::Contains(delivered)) << at;
      const bool lost = report.last_lsn < durable;
      ASSERT_EQ(report.last_lsn + 1,
                static_cast<uint64_t>(std::find(prefixes.begin(), prefixes.end(), delivered) - prefixes.begin() + 1))
          << at;
      ASSERT_EQ(lost, !report.damage.empty()) << at << ": " << text;
      reported += lost ? 1 : 0;
      segment(1)[at] = good[at];
    }
    EXPECT_EQ(reported, durable * (kRecordHeaderBytes + 1));  // each byte of each record
  }
};

TEST_F(Format, TodaysBytesAreThoseOfTheGoldenFile) {
  write_example();
  const std::string today = trimmed(segment(1));
  if (std::getenv("CAIRN_WRITE_GOLDEN") != nullptr) {
    std::ofstream(golden_path(), std::ios::binary) << today;
  }
  const std::string golden = read_golden();
  ASSERT_EQ(golden.size(), today.size());
  for (size_t i = 0; i < golden.size(); ++i) {
    ASSERT_EQ(golden[i], today[i]) << "byte " << i;
  }
}

TEST_F(Format, TheGoldenFileOfVersion1IsRead) {
  std::string bytes = read_golden();
  bytes.resize(kSegmentBytesMin);
  disk.put(path(1), bytes);
  EXPECT_EQ(replay(), "first second record third ; clean");
  EXPECT_EQ(report.last_lsn, 4u);
  EXPECT_EQ(report.watermark, 4u);
  open();
  append("more");
  kill();
  EXPECT_EQ(replay(), "first second record third  more");
}

TEST_F(Format, AFlippedBitOfACleanlyClosedSegmentNeverLosesARecordSilently) {
  open();
  append_group({"a", "b"});
  sync();
  append("c");
  close();
  flip_every_byte("a b c", 3, trimmed(segment(1)).size() + 16);
}

TEST_F(Format, AFlippedBitOfALivingSegmentNeverLosesAKnownDurableRecordSilently) {
  open();
  append_group({"a", "b"});
  sync();
  append("c");
  sync();
  append("d");
  kill();
  // The sync of "d" is not known: 3 is the watermark that "d" carries.
  const size_t d = find(1, "d");
  const size_t end = trimmed(segment(1)).size() + 16;
  const std::string good = segment(1);
  for (size_t at = 0; at < end; ++at) {
    segment(1)[at] = static_cast<char>(good[at] ^ (1 << at % 8));
    const std::string text = replay();
    if (at >= d && at < d + 33) {
      ASSERT_THAT(text, ::testing::StartsWith("a b c")) << at;
      ASSERT_TRUE(report.damage.empty()) << at;
    } else {
      ASSERT_TRUE(text == "a b c d" ||
                  (!report.damage.empty() && std::string("a b c d").rfind(text.substr(0, text.find(';')), 0) == 0))
          << at << ": " << text;
    }
    segment(1)[at] = good[at];
  }
}

TEST_F(Format, HeaderCopiesAreNotInterchangeable) {
  SegmentHeader header;
  header.segment_bytes = kSegmentBytesMin;
  const auto bytes = encode_segment_header(header, 0);
  EXPECT_TRUE(decode_segment_header({bytes.data(), bytes.size()}, 0).has_value());
  EXPECT_FALSE(decode_segment_header({bytes.data(), bytes.size()}, 1).has_value());
}

TEST_F(Format, HeadersWithUnsoundValuesAreRefused) {
  SegmentHeader sound;
  sound.segment_bytes = kSegmentBytesMin;
  sound.state = SegmentState::kActive;
  sound.first_lsn = 5;
  sound.prev_last_lsn = 4;
  EXPECT_TRUE(segment_header_is_sound(sound));
  const auto with = [&sound](auto change) {
    SegmentHeader header = sound;
    change(header);
    return segment_header_is_sound(header);
  };
  EXPECT_FALSE(with([](SegmentHeader& h) { h.segment_bytes = 1000; }));
  EXPECT_FALSE(with([](SegmentHeader& h) { h.segment_bytes = kSegmentBytesMax * 2; }));
  EXPECT_FALSE(with([](SegmentHeader& h) { h.first_lsn = 0; }));
  EXPECT_FALSE(with([](SegmentHeader& h) { h.prev_last_lsn = 3; }));
  EXPECT_FALSE(with([](SegmentHeader& h) { h.first_lsn = h.prev_last_lsn = kLsnMax + 1; }));
  EXPECT_FALSE(with([](SegmentHeader& h) { h.watermark = kLsnMax + 1; }));
  EXPECT_FALSE(with([](SegmentHeader& h) { h.state = static_cast<SegmentState>(7); }));
  EXPECT_FALSE(with([](SegmentHeader& h) { h.version = 0; }));
}

TEST_F(Format, SegmentNamesAreSixteenLowerCaseDigits) {
  EXPECT_EQ(segment_name(0x1f), "000000000000001f.wal");
  EXPECT_EQ(parse_segment_name("000000000000001f.wal"), 0x1fu);
  EXPECT_EQ(parse_segment_name("ffffffffffffffff.wal"), UINT64_MAX);
  for (const char* name : {"", "1f.wal", "000000000000001F.wal", "000000000000001g.wal", "000000000000001f.tmp",
                           "0000000000000001f.wal", " 00000000000001f.wal"}) {
    EXPECT_FALSE(parse_segment_name(name).has_value()) << name;
  }
}

TEST_F(Format, RandomBytesInASegmentAreReadWithoutHarm) {
  open();
  append_group({"a", "b", "c"});
  kill();
  const std::string good = segment(1);
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 40; ++i) {
      const size_t at = random() % 4 == 0 ? random() % good.size() : kRecordsOffset + random() % 160;
      segment(1)[at] = static_cast<char>(random());
    }
    const std::string text = replay();
    EXPECT_THAT(text, ::testing::AnyOf(::testing::StartsWith("a"), ::testing::StartsWith(";"), "",
                                       ::testing::StartsWith("status")));
    segment(1) = good;
  }
}

}  // namespace
}  // namespace cairn::wal
