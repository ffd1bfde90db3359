#include <cstring>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class Read : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    start("r",
          "{\"d\":1.5,\"i\":-3,\"u\":18446744073709551615,\"w\":2.0,\"b\":true,\"s\":\"text\",\"n\":null,\"o\":{\"p\":["
          "7,\"x\"]}}");
  }
  template <class T>
  std::string read(cairn_status (*call)(cairn_run*, const char*, size_t, T*), std::string_view key) {
    T value{};
    const cairn_status s = call(run_, key.data(), key.size(), &value);
    if (s == CAIRN_OK) {
      return std::to_string(value);
    }
    return CAIRN_FAILED(s) ? last_error().message : cairn_status_text(s);
  }
};

TEST_F(Read, NumbersOfEachTypeComeBackAsAsked) {
  EXPECT_EQ(read(cairn_run_get_double, "d"), "1.500000");
  EXPECT_EQ(read(cairn_run_get_double, "i"), "-3.000000");
  EXPECT_EQ(read(cairn_run_get_double, "u"), "18446744073709551616.000000");
  EXPECT_EQ(read(cairn_run_get_int64, "i"), "-3");
  EXPECT_EQ(read(cairn_run_get_int64, "w"), "2");
  EXPECT_EQ(read(cairn_run_get_uint64, "u"), "18446744073709551615");
  EXPECT_EQ(read(cairn_run_get_uint64, "w"), "2");
  EXPECT_EQ(read(cairn_run_get_bool, "b"), "1");
  EXPECT_EQ(read(cairn_run_get_int64, "$.o.p.0"), "7");
}

TEST_F(Read, AnotherTypeNamesPathExpectedAndFound) {
  EXPECT_EQ(read(cairn_run_get_double, "s"), "s: expected a number, found a string");
  EXPECT_EQ(read(cairn_run_get_double, "$.o.p"), "$.o.p: expected a number, found an array");
  EXPECT_EQ(read(cairn_run_get_int64, "d"), "d: expected an integer of 64 bits, found 1.5");
  EXPECT_EQ(read(cairn_run_get_int64, "u"), "u: expected an integer of 64 bits, found 18446744073709551615");
  EXPECT_EQ(read(cairn_run_get_uint64, "i"), "i: expected an integer of 64 bits, not below 0, found -3");
  EXPECT_EQ(read(cairn_run_get_bool, "n"), "n: expected a bool, found null");
  EXPECT_EQ(last_error().code, CAIRN_TYPE_MISMATCH);
  EXPECT_STREQ(last_error().key, "n");
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, cairn_run_get_string(run_, "o", 1, nullptr, 0, &needed));
  EXPECT_STREQ(last_error().message, "o: expected a string, found an object");
}

TEST_F(Read, AMissingKeyIsAnAnswer) {
  EXPECT_EQ(read(cairn_run_get_double, "none"), "no such key");
  EXPECT_EQ(read(cairn_run_get_bool, "$.o.none"), "no such key");
  EXPECT_EQ(get("none"), "status 2");
  EXPECT_EQ(get("$.constructor.x"), "status 25");
}

TEST_F(Read, TextIsCopiedOnlyIfItFits) {
  char buffer[8];
  size_t needed = 99;
  std::memset(buffer, '#', sizeof buffer);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_string(run_, "s", 1, nullptr, 0, &needed));
  EXPECT_EQ(needed, 4u);
  CAIRN_EXPECT(CAIRN_TOO_LARGE, cairn_run_get_string(run_, "s", 1, buffer, 3, &needed));
  EXPECT_EQ(needed, 4u);
  EXPECT_EQ(last_error().needed, 4u);
  EXPECT_EQ(last_error().limit, 3u);
  EXPECT_EQ(std::string(buffer, 8), "########");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_string(run_, "s", 1, buffer, 4, &needed));
  EXPECT_EQ(std::string(buffer, 8), "text####") << "no room for a NUL";
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_string(run_, "s", 1, buffer, 8, &needed));
  EXPECT_EQ(std::memcmp(buffer, "text\0###", 8), 0);
}

TEST_F(Read, MsgpackKeepsDoublesApartFromIntegers) {
  unsigned char bytes[16];
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_msgpack(run_, "w", 1, bytes, sizeof bytes, &needed));
  EXPECT_EQ(needed, 9u);
  EXPECT_EQ(bytes[0], 0xcb);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_msgpack(run_, "i", 1, bytes, sizeof bytes, &needed));
  EXPECT_EQ(needed, 1u);
  EXPECT_EQ(bytes[0], 0xfd);
}

TEST_F(Read, CurrentGivesTheTextAndItsSequence) {
  EXPECT_EQ(current(),
            "{\"d\":1.5,\"i\":-3,\"u\":18446744073709551615,\"w\":2,\"b\":true,\"s\":\"text\",\"n\":null,\"o\":{\"p\":["
            "7,\"x\"]}}");
  uint64_t before = 0;
  uint64_t after = 0;
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_run_current_json(run_, nullptr, 0, &needed, &before));
  EXPECT_EQ(needed, current().size());
  CAIRN_EXPECT(CAIRN_OK, set("d", 2));
  unsigned char bytes[256];
  CAIRN_EXPECT(CAIRN_OK, cairn_run_current_msgpack(run_, bytes, sizeof bytes, &needed, &after));
  EXPECT_EQ(after, before + 1);
  EXPECT_EQ(bytes[0], 0x88) << "a map of 8";
}

TEST_F(Read, MetadataInMsgpackComesBackBitForBit) {
  std::string bytes(512, '\0');
  size_t needed = 0;
  CAIRN_ASSERT_OK(cairn_run_current_msgpack(run_, bytes.data(), bytes.size(), &needed, nullptr));
  bytes.resize(needed);
  const std::string before = current();
  CAIRN_EXPECT(CAIRN_OK, cairn_run_replace_msgpack(run_, bytes.data(), bytes.size()));
  std::string again(512, '\0');
  CAIRN_EXPECT(CAIRN_OK, cairn_run_current_msgpack(run_, again.data(), again.size(), &needed, nullptr));
  again.resize(needed);
  EXPECT_EQ(again, bytes);
  EXPECT_EQ(current(), before);
}

}  // namespace
}  // namespace cairn::tests
