// Times, durations and queries as requests write them.
#include <gtest/gtest.h>

#include "api/server/body.h"
#include "api/server/query.h"
#include "api/server/times.h"

namespace cairn::tests {
namespace {

using server::parse_duration_us;
using server::parse_iso_us;

constexpr int64_t kSecond = 1'000'000;

TEST(Durations, AreNumbersWithUnitsTheLongestFirst) {
  EXPECT_EQ(parse_duration_us("30s"), 30 * kSecond);
  EXPECT_EQ(parse_duration_us("5m"), 300 * kSecond);
  EXPECT_EQ(parse_duration_us("1h"), 3600 * kSecond);
  EXPECT_EQ(parse_duration_us("1hr"), 3600 * kSecond);
  EXPECT_EQ(parse_duration_us("7d"), 7 * 86'400 * kSecond);
  EXPECT_EQ(parse_duration_us("2w"), 14 * 86'400 * kSecond);
  EXPECT_EQ(parse_duration_us("1w2d3h4m5s"), (((9 * 24 + 3) * 60 + 4) * 60 + 5) * kSecond);
  EXPECT_EQ(parse_duration_us("0s"), 0);
  EXPECT_EQ(parse_duration_us("36500d"), server::kDurationMaxUs);
  for (const char* bad : {"", "h", "1", "-1h", "1.5h", "1h1h", "1m1h", "1 h", " 1h", "1h ", "1y", "1H", "36501d",
                          "36500d1s", "99999999999999999999s", "999999999999999999w", "1hm", "1rh"}) {
    EXPECT_EQ(parse_duration_us(bad), std::nullopt) << bad;
  }
}

TEST(IsoDates, AreReadWithOrWithoutTimeAndOffset) {
  const int64_t day = 20'000 * int64_t{86'400} * kSecond;  // 2024-10-04
  EXPECT_EQ(parse_iso_us("2024-10-04"), day);
  EXPECT_EQ(parse_iso_us("2024-10-04T00:00:00.000Z"), day);
  EXPECT_EQ(parse_iso_us("2024-10-04T00:00"), day);
  EXPECT_EQ(parse_iso_us("2024-10-04 00:00:01"), day + kSecond);
  EXPECT_EQ(parse_iso_us("2024-10-04T02:30:00+02:30"), day);
  EXPECT_EQ(parse_iso_us("2024-10-03T23:00:00-0100"), day);
  EXPECT_EQ(parse_iso_us("2024-10-04T00:00:00.1234567Z"), day + 123'456);
  EXPECT_EQ(parse_iso_us("1970-01-01"), 0);
  EXPECT_EQ(parse_iso_us("2024-02-29") > 0, true);
  EXPECT_EQ(server::iso_text(day + 1'999), "2024-10-04T00:00:00.001Z");
  for (const char* bad : {"",
                          "2024",
                          "2024-10",
                          "2024-13-01",
                          "2023-02-29",
                          "2024-10-04T",
                          "2024-10-04T24:00:00Z",
                          "2024-10-04T00:60Z",
                          "2024-10-04T00:00:60Z",
                          "2024-10-04T00:00:00.Z",
                          "2024-10-04T00:00:00z",
                          "2024-10-04T00:00:00+25:00",
                          "2024-10-04T00:00:00Zx",
                          "2024-10-04x",
                          "1969-12-31",
                          "24-10-04",
                          "20244-10-04",
                          "2024-1-4",
                          "9999-12-31T23:59:59-23:59",
                          "1970-01-01T00:00:00+01:00"}) {
    EXPECT_EQ(parse_iso_us(bad), std::nullopt) << bad;
  }
}

TEST(Queries, AreDecodedNameByName) {
  using Parts = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(server::read_query(""), Parts());
  EXPECT_EQ(server::read_query("page%5Bsize%5D=10&&a&b=&c=1=2&d=x+y%2C%3a"),
            (Parts{{"page[size]", "10"}, {"a", ""}, {"b", ""}, {"c", "1=2"}, {"d", "x y,:"}}));
  for (const char* bad : {"a=%", "a=%4", "a=%4g", "%zz", "a=%ff", "a=%C3"}) {
    EXPECT_EQ(server::read_query(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(server::split_list(",a,,b c,"), (std::vector<std::string>{"a", "b c"}));
}

TEST(TextLengths, AreCountedAsTheClientsDo) {
  EXPECT_EQ(server::utf16_length("abc"), 3u);
  EXPECT_EQ(server::utf16_length("\xc3\xa9\xe2\x82\xac"), 2u);
  EXPECT_EQ(server::utf16_length("\xf0\x9f\x98\x80"), 2u);
}

TEST(ComplaintsOfARequest, TheFirstOfTheEarliestCheckCounts) {
  server::Complaints complaints;
  EXPECT_FALSE(complaints.any());
  complaints.add(413, "large");
  complaints.add(422, "bad delay");
  EXPECT_FALSE(complaints.is_invalid());
  complaints.add(413, "larger");
  EXPECT_EQ(complaints.text(), "bad delay");
  complaints.add_invalid("a.b", "must be a string");
  complaints.add(400, "later");
  EXPECT_TRUE(complaints.is_invalid());
  EXPECT_EQ(complaints.text(), "Validation error: a.b must be a string");
}

}  // namespace
}  // namespace cairn::tests
