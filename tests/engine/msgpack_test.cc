#include "engine/json/msgpack.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "engine/json/json.h"
#include "engine/json/msgpack_writer.h"
#include "tests/support/generate.h"
#include "tests/support/hex.h"
#include "tests/support/json_literal.h"
#include "tests/support/property.h"

namespace cairn::engine {
namespace {

using testing::unhex;

std::string encoded(const Value& v) {
  std::string out;
  append_msgpack(out, v);
  return out;
}

std::string minimal(const Value& v) {
  std::string out;
  append_msgpack_minimal(out, v);
  return out;
}

Code error_of(std::string_view hex) { return decode_msgpack(unhex(hex)).code(); }

Value decoded(std::string_view hex) {
  Result<Value> v = decode_msgpack(unhex(hex));
  EXPECT_TRUE(v.ok()) << hex;
  return v.ok() ? *v : Value("not decoded");
}

TEST(Msgpack, TopLevelNumbersHaveALengthOfTheirType) {
  for (const int64_t i : {int64_t{0}, int64_t{-1}, int64_t{INT64_MAX}, int64_t{INT64_MIN}, int64_t{300}}) {
    EXPECT_EQ(encoded(i).size(), 9U);
    EXPECT_EQ(encoded(i)[0], '\xd3');
  }
  EXPECT_EQ(encoded(uint64_t{UINT64_MAX}), unhex("cfffffffffffffffff"));
  EXPECT_EQ(encoded(0.0), unhex("cb0000000000000000"));
  EXPECT_EQ(encoded(true).size(), encoded(false).size());
}

TEST(Msgpack, NumbersInsideContainersAreMinimal) {
  EXPECT_EQ(encoded(json("[1,-1,200]")), unhex("9301ffccc8"));
  EXPECT_EQ(encoded(json(R"({"a":1})")), unhex("81a16101"));
}

TEST(Msgpack, MinimalIsTheStandardsEncoding) {
  EXPECT_EQ(minimal(5), unhex("05"));
  EXPECT_EQ(minimal(-33), unhex("d0df"));
  EXPECT_EQ(minimal(0.5), unhex("cb3fe0000000000000"));
  EXPECT_EQ(minimal("h\xc3\xa9"), unhex("a368c3a9"));
  EXPECT_EQ(minimal(nullptr), unhex("c0"));
}

TEST(Msgpack, EveryWidthIsRead) {
  EXPECT_EQ(decoded("cd0100"), Value(256));
  EXPECT_EQ(decoded("cf7fffffffffffffff"), Value(int64_t{INT64_MAX}));
  EXPECT_EQ(decoded("cf8000000000000000").type(), Type::kUint64);
  EXPECT_EQ(decoded("d30000000000000005"), Value(5));
  EXPECT_EQ(decoded("d1ff00"), Value(-256));
  EXPECT_EQ(decoded("ca3f000000"), Value(0.5));
  EXPECT_EQ(decoded("cb8000000000000000"), Value(-0.0));
  EXPECT_EQ(decoded("d90161"), Value("a"));
  EXPECT_EQ(decoded("db0000000161"), Value("a"));
  EXPECT_EQ(decoded("dc0000"), Value(Array{}));
  EXPECT_EQ(decoded("df00000000"), Value(Object{}));
  EXPECT_EQ(decoded("9290a0"), Value(Array{Array{}, ""}));
  EXPECT_EQ(decoded("82a161c0a0c3"), json(R"({"a":null,"":true})"));
}

TEST(Msgpack, KeysAreSettledAsInJson) {
  EXPECT_EQ(to_json(decoded("83a16101a16202a16103")), R"({"a":3,"b":2})");
  EXPECT_EQ(to_json(decoded("82a95f5f70726f746f5f5f81a16101a16102")), R"({"a":2})");
}

TEST(Msgpack, TruncatedOrLongerInputIsInvalid) {
  EXPECT_EQ(error_of(""), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("9201"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("cf00"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("a26100"), Code::kOk);
  EXPECT_EQ(error_of("a361"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("0101"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("81a161"), Code::kInvalidMsgpack);
}

TEST(Msgpack, LyingLengthsAreInvalidBeforeMemoryIsTaken) {
  EXPECT_EQ(error_of("ddffffffff"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("ddffffffff010203"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("dfffffffffa16101"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("dbffffffff61"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("c6ffffffff61"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("c9ffffffff0161"), Code::kInvalidMsgpack);
  // Each of these nested counts alone fits the input; together they do not.
  EXPECT_EQ(error_of("dc0006dc0006dc0006dc0006"), Code::kInvalidMsgpack);
}

TEST(Msgpack, BinExtReservedAndOtherKeysAreInvalid) {
  EXPECT_EQ(error_of("c40161"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("d40161"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("c70101ff"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("c1"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("810102"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("81c002"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("819002"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("81910102"), Code::kInvalidMsgpack);
  EXPECT_EQ(error_of("818002"), Code::kInvalidMsgpack);
}

TEST(Msgpack, StringsAndKeysThatAreNotUtf8AreInvalidUtf8) {
  EXPECT_EQ(error_of("a1ff"), Code::kInvalidUtf8);
  EXPECT_EQ(error_of("a3eda080"), Code::kInvalidUtf8);
  EXPECT_EQ(error_of("81a1ff01"), Code::kInvalidUtf8);
}

TEST(Msgpack, NanAndInfinityAreNotFinite) {
  EXPECT_EQ(error_of("cb7ff8000000000000"), Code::kNotFinite);
  EXPECT_EQ(error_of("91cbfff0000000000000"), Code::kNotFinite);
  EXPECT_EQ(error_of("ca7f800000"), Code::kNotFinite);
}

TEST(Msgpack, AsManyLevelsAsAllowedPassAndMoreAreTooDeep) {
  EXPECT_TRUE(decode_msgpack(std::string(kDepthMax - 1, '\x91') + '\x90').ok());
  EXPECT_EQ(decode_msgpack(std::string(kDepthMax, '\x91') + '\x90').code(), Code::kTooDeep);
  EXPECT_EQ(decode_msgpack(std::string(1'000'000, '\x91')).code(), Code::kTooDeep);
  EXPECT_TRUE(decode_msgpack(std::string(kDepthMax + 1, '\x91') + '\x90', kDepthMax + 2).ok());
  std::string maps;
  for (int i = 0; i < kDepthMax + 1; ++i) {
    maps += unhex("81a161");
  }
  EXPECT_EQ(decode_msgpack(maps + "\x01").code(), Code::kTooDeep);
}

TEST(Msgpack, ValuesComeBackBitIdentical) {
  check_property(1000, [] {
    const Value v = *generate::any_value();
    const Result<Value> patched = decode_msgpack(encoded(v));
    const Result<Value> standard = decode_msgpack(minimal(v));
    RC_ASSERT(patched.ok() && *patched == v);
    RC_ASSERT(standard.ok() && *standard == v);
  });
}

TEST(Msgpack, EveryPrefixIsInvalid) {
  check_property(1000, [] {
    const Value v = *generate::any_value();
    const std::string bytes = encoded(v);
    const size_t cut = *rc::gen::inRange<size_t>(0, bytes.size());
    RC_ASSERT(decode_msgpack(std::string_view(bytes).substr(0, cut)).code() == Code::kInvalidMsgpack);
  });
}

TEST(Msgpack, SpoiledBytesNeverCrashAndWhatIsReadCanBeWritten) {
  std::mt19937 random(7);
  const std::string good = minimal(json(R"({"a":[1,-5,2.5,{"b":null,"c":"text"}],"d":{"e":[true,[],{}]}})"));
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes = good;
    for (int n = 0; n < 3; ++n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const Result<Value> v = decode_msgpack(bytes);
    if (v.ok()) {
      const Result<Value> again = decode_msgpack(minimal(*v));
      ASSERT_TRUE(again.ok() && *again == *v);
    }
  }
}

TEST(MsgpackWriter, WritesAsShortAsTheEncodingOfValues) {
  const uint64_t edges[] = {0, 31, 32, 127, 128, 255, 256, 65'535, 65'536, 0xffff'ffff, 0x1'0000'0000, UINT64_MAX};
  for (const uint64_t edge : edges) {
    std::string written;
    MsgpackWriter(written).write_unsigned(edge);
    EXPECT_EQ(written, minimal(Value(edge))) << edge;
    for (const int64_t v : {static_cast<int64_t>(edge), -1 - static_cast<int64_t>(edge >> 1)}) {
      written.clear();
      MsgpackWriter(written).write_signed(v);
      EXPECT_EQ(written, minimal(Value(v))) << v;
    }
    if (edge <= 65'536) {
      const std::string text(edge, 'x');
      written.clear();
      MsgpackWriter(written).write_string(text);
      EXPECT_EQ(written, minimal(Value(text))) << edge;
      written.clear();
      MsgpackWriter array(written);
      array.write_array(edge);
      for (uint64_t i = 0; i < edge; ++i) {
        array.write_nil();
      }
      EXPECT_EQ(written, minimal(Value(Array(edge)))) << edge;
    }
  }
}

TEST(MsgpackWriter, WritesMapsAndBools) {
  Object object;
  for (int i = 0; i < 65'537; ++i) {
    if (i == 15 || i == 16 || i == 65'535 || i == 65'536) {
      std::string written;
      MsgpackWriter(written).write_map(object.size());
      EXPECT_EQ(written, minimal(Value(object)).substr(0, written.size())) << i;
    }
    object.push_back({std::to_string(i), Value(true)});
  }
  std::string written;
  MsgpackWriter writer(written);
  writer.write_bool(true);
  writer.write_bool(false);
  EXPECT_EQ(written, "\xc3\xc2");
}

}  // namespace
}  // namespace cairn::engine
