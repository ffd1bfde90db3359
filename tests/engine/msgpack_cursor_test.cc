#include "engine/json/msgpack_cursor.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::tests {
namespace {

using engine::MsgpackCursor;

bool reads(const std::string& bytes, uint64_t expected) {
  MsgpackCursor cursor(bytes);
  uint64_t v = 0;
  return cursor.read_unsigned(v) && v == expected && cursor.at_end();
}

// Cairn writes the shortest form; what it reads may have been written by another encoder.
TEST(MsgpackCursor, ReadsAnUnsignedNumberOfAnyWidthAndSign) {
  const std::string zeros(7, '\0');
  EXPECT_TRUE(reads("\x05", 5));
  EXPECT_TRUE(reads("\xcc\x05", 5));
  EXPECT_TRUE(reads("\xcf" + zeros + "\x05", 5));
  EXPECT_TRUE(reads("\xd0\x05", 5));
  EXPECT_TRUE(reads(std::string("\xd1\x00\x05", 3), 5));
  EXPECT_TRUE(reads("\xd3" + zeros + "\x05", 5));
  EXPECT_TRUE(reads("\xd3\x7f" + std::string(7, '\xff'), INT64_MAX));
}

TEST(MsgpackCursor, RefusesANegativeOneAndAnotherType) {
  for (const char* bytes : {"\xff", "\xd0\xff", "\xd1\xff\xff", "\xc0", "\xa1x", "\xcc", "\xd0"}) {
    MsgpackCursor cursor{std::string_view(bytes)};
    uint64_t v = 0;
    EXPECT_FALSE(cursor.read_unsigned(v)) << testing::PrintToString(bytes);
  }
}

TEST(MsgpackCursor, TakesANilOnlyWhereThereIsOne) {
  MsgpackCursor cursor("\xc0\x05");
  uint64_t v = 0;
  EXPECT_TRUE(cursor.read_nil());
  EXPECT_FALSE(cursor.read_nil());
  EXPECT_TRUE(cursor.read_unsigned(v));
  EXPECT_EQ(v, 5U);
  EXPECT_FALSE(cursor.read_nil());
}

}  // namespace
}  // namespace cairn::tests
