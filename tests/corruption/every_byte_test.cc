// Every byte that counts, flipped once: of the log, of staging, of STORE.
#include "tests/corruption/killed_store.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class EveryByte : public KilledStore {
 protected:
  /// The places of a segment that hold something: both headers, and from the records on all that was written.
  std::vector<uint64_t> places(const std::string& segment) const {
    std::vector<uint64_t> all;
    for (const uint64_t begin : {uint64_t{0}, uint64_t{4096}}) {
      for (uint64_t at = begin; at < begin + 128; at += stride()) {
        all.push_back(at);
      }
    }
    for (uint64_t at = 8192; at < good_.at(segment).size(); at += stride()) {
      all.push_back(at);
    }
    return all;
  }
};

TEST_F(EveryByte, OfASegmentIsReportedWithItsPlaceOrLosesNothing) {
  const std::string segment = newest_segment();
  const std::string name = segment.substr(4);
  int reported = 0;
  int whole = 0;
  for (const uint64_t at : places(segment)) {
    bring_back();
    flip(segment, at, 1 << (at % 8));
    if (HasFailure()) {
      return;
    }
    const std::string when = "byte " + std::to_string(at);
    auto opened = open();
    if (opened.ok()) {
      ++whole;
      expect_runs(**opened, kAcknowledged, when);
    } else {
      ++reported;
      ASSERT_EQ(opened.code(), Code::kCorrupt) << when << ": " << engine::error_detail().message;
      const std::string& text = engine::error_detail().message;
      ASSERT_THAT(text, HasSubstr(name)) << when;
      ASSERT_THAT(text, HasSubstr("offset")) << when;
      ASSERT_THAT(text, HasSubstr("LSN")) << when;
      ASSERT_THAT(text, HasSubstr("cairn ls --salvage")) << when << ": says what can be done";
    }
    if (HasFailure()) {
      return;
    }
  }
  printf("damage: segment of %zu bytes, one byte in %d flipped: %d reported, %d recovered whole\n",
         good_.at(segment).size(), static_cast<int>(stride()), reported, whole);
  EXPECT_GT(static_cast<uint64_t>(reported), 500 / stride());
  EXPECT_GT(static_cast<uint64_t>(whole), 256 / stride());
}

TEST_F(EveryByte, OfStagingLeavesEachRunAtAPrefix) {
  int prefix = 0;
  int whole = 0;
  for (const auto& [name, bytes] : good_) {
    if (name.rfind("staging/", 0) != 0) {
      continue;
    }
    for (uint64_t at = 0; at < bytes.size(); at += stride()) {
      bring_back();
      flip(name, at, 1 << (at % 8));
      auto opened = open();
      ASSERT_TRUE(opened.ok()) << name << " byte " << at << ": " << engine::error_detail().message;
      expect_runs(**opened, kDurable, name + " byte " + std::to_string(at));
      if (HasFailure()) {
        return;
      }
      auto run = (*opened)->find(id(2));
      ((*run)->version.load() == kAcknowledged[2] ? whole : prefix) += 1;
    }
  }
  printf("damage: staging, one byte in %d flipped: %d left a prefix, %d recovered whole\n", static_cast<int>(stride()),
         prefix, whole);
  EXPECT_GT(static_cast<uint64_t>(prefix), 100 / stride() / 2);
  EXPECT_GT(static_cast<uint64_t>(whole), 100 / stride());
}

TEST_F(EveryByte, OfStoreIsRefusedAndNothingIsTouched) {
  for (uint64_t at = 0; at < 128; at += stride()) {
    bring_back();
    flip("STORE", at);
    const FileBytes before = read_all();
    auto opened = open();
    ASSERT_FALSE(opened.ok()) << "byte " << at;
    ASSERT_EQ(opened.code(), Code::kCorrupt) << "byte " << at;
    ASSERT_THAT(engine::error_detail().message, HasSubstr("cairn repair"));
    ASSERT_THAT(engine::error_detail().message, HasSubstr("nothing was touched"));
    ASSERT_EQ(read_all(), before) << "byte " << at;
  }
}

}  // namespace
}  // namespace cairn::tests
