#include <gtest/gtest.h>

#include <string>

#include "engine/diff/diff.h"
#include "engine/diff/fold.h"
#include "tests/support/hex.h"
#include "tests/support/json_literal.h"

namespace cairn::engine {
namespace {

using testing::hex;
using testing::unhex;

bool is_diff(std::string_view hex_text) { return decode_diff(unhex(hex_text)).ok(); }
bool is_entry(std::string_view hex_text) { return decode_entry(unhex(hex_text)).ok(); }

std::string encoded(const Form& form, const Value* value) {
  std::string out;
  append_entry(out, "k", form, value);
  return hex(out);
}

TEST(DiffCodec, EntriesHaveTheseBytes) {
  const Value one(1);
  Form set;
  EXPECT_EQ(encoded(set, &one), "93a16b00d30000000000000001");
  set.fresh = true;
  EXPECT_EQ(encoded(set, &one), "93a16b08d30000000000000001");
  EXPECT_EQ(encoded(Form(FormKind::kDelete), nullptr), "92a16b01");

  Form increment(FormKind::kIncrement);
  increment.delta = 0.5;
  EXPECT_EQ(encoded(increment, &one), "94a16b02cb3fe0000000000000d30000000000000001");
  EXPECT_EQ(encoded(increment, nullptr), "93a16b02cb3fe0000000000000");

  Form list(FormKind::kList);
  list.lists = std::make_unique<FormLists>();
  list.lists->removed_before = {Value("x")};
  list.lists->removed_after = {Value(1)};
  list.lists->added = {Value(), Value(true)};
  list.lists->coerce = true;
  const Value result(Array{Value(), Value(true)});
  EXPECT_EQ(encoded(list, &result), "97a16b0391a178910192c0c3c392c0c3");
  EXPECT_EQ(encoded(list, nullptr), "96a16b0391a178910192c0c3c3");
  list.kind = FormKind::kIncrementList;
  list.lists->removed_before.clear();
  list.delta = 2;
  EXPECT_EQ(encoded(list, nullptr), "95a16b04d30000000000000002910192c0c3");

  Form ops(FormKind::kOperations);
  ops.lists = std::make_unique<FormLists>();
  ops.lists->operations = operations(R"([{"type":"set","key":"$.k.a","value":1},{"type":"delete","key":"$.k.b"}])");
  EXPECT_EQ(encoded(ops, nullptr), "93a16b05929300a5242e6b2e61019201a5242e6b2e62");
}

TEST(DiffCodec, NumbersKeepTheirLengthSoThatTheyCanBePatched) {
  for (const Value& v : {Value(0), Value(127), Value(INT64_MAX), Value(UINT64_MAX), Value(0.0), Value(1e300)}) {
    std::string out;
    append_entry(out, "k", Form(), &v);
    EXPECT_EQ(out.size(), 13U) << to_json(v);
  }
}

TEST(DiffCodec, HeadHasTheseBytes) {
  std::string out;
  append_diff_head(out, 0, 300, -1, false, 2);
  EXPECT_EQ(hex(out), "9500cd012cd3ffffffffffffffffc292");
  out.clear();
  append_diff_head(out, 1, 2, 3, true, 70000);
  EXPECT_EQ(hex(out), "95010203c3dd00011170");
}

TEST(DiffCodec, RefusesWhatIsNoDiff) {
  EXPECT_TRUE(is_diff("95 00 01 00 c2 90"));
  EXPECT_TRUE(is_diff("95 00 01 00 c2 91 92a16b01"));
  EXPECT_FALSE(is_diff(""));
  EXPECT_FALSE(is_diff("94 00 01 00 c2"));
  EXPECT_FALSE(is_diff("95 00 01 00 c2")) << "no entries";
  EXPECT_FALSE(is_diff("95 00 01 00 c2 90 00")) << "bytes behind it";
  EXPECT_FALSE(is_diff("95 00 01 00 c0 90")) << "replace is no bool";
  EXPECT_FALSE(is_diff("95 ff 01 00 c2 90")) << "a negative base";
  EXPECT_FALSE(is_diff("95 01 01 00 c2 90")) << "last is not above base";
  EXPECT_FALSE(is_diff("95 02 01 00 c2 90")) << "last is below base";
  EXPECT_FALSE(is_diff("95 00 01 00 c2 92 92a16b01")) << "an entry is missing";
  EXPECT_FALSE(is_diff("95 00 01 00 c2 92 92a16b01 93a16b0001")) << "a key twice";
  EXPECT_FALSE(is_diff("95 00 01 00 c2 dd ffffffff 92a16b01")) << "more entries than bytes";
  EXPECT_TRUE(is_diff("95 00 01 00 c3 91 93a16b0001"));
  EXPECT_FALSE(is_diff("95 00 01 00 c3 91 92a16b01")) << "a delete under replace";
  EXPECT_FALSE(is_diff("95 00 01 00 c3 91 93a16b0801")) << "a fresh key under replace";
}

TEST(DiffCodec, RefusesWhatIsNoEntry) {
  EXPECT_TRUE(is_entry("93 a16b 00 01"));
  EXPECT_FALSE(is_entry("92 a16b 00")) << "a set without value";
  EXPECT_FALSE(is_entry("93 a16b 01 01")) << "a delete with value";
  EXPECT_FALSE(is_entry("92 a16b 09")) << "a fresh delete";
  EXPECT_FALSE(is_entry("92 a16b 06")) << "no such kind";
  EXPECT_FALSE(is_entry("92 a16b 11")) << "a delete that leaves the key absent";
  EXPECT_FALSE(is_entry("92 a16b 21")) << "an unknown flag";
  EXPECT_FALSE(is_entry("93 a1ff 00 01")) << "a key that is no UTF-8";
  EXPECT_FALSE(is_entry("93 01 00 01")) << "a key that is no string";
  EXPECT_FALSE(is_entry("93 a26b 00 01")) << "a key that lies about its length";
  EXPECT_FALSE(is_entry("93 db ffffffff 6b 00 01")) << "a key longer than the input";
  EXPECT_FALSE(is_entry("93 a16b 00 a1ff")) << "a value that is no UTF-8";
  EXPECT_FALSE(is_entry("93 a16b 00 c403ffffff")) << "a value of type bin";
  EXPECT_FALSE(is_entry("93 a16b 00 cb7ff0000000000000")) << "infinity";
  EXPECT_TRUE(is_entry("93 a16b 02 01"));
  EXPECT_FALSE(is_entry("93 a16b 02 a178")) << "an increment by a string";
  EXPECT_TRUE(is_entry("96 a16b 03 91a178 90 90 c2"));
  EXPECT_FALSE(is_entry("96 a16b 03 90 90 90 c2")) << "a list that does nothing";
  EXPECT_FALSE(is_entry("96 a16b 03 91a178 90 9101 c2")) << "adds, but does not make arrays";
  EXPECT_FALSE(is_entry("96 a16b 03 91a178 90 90 c3")) << "makes arrays of no element";
  EXPECT_FALSE(is_entry("96 a16b 03 01 90 90 c3")) << "a list that is a number";
  EXPECT_TRUE(is_entry("95 a16b 04 01 90 9101"));
  EXPECT_FALSE(is_entry("95 a16b 04 01 90 90")) << "an increment list that is no list";
  EXPECT_TRUE(is_entry("93 a16b 05 91 9300a5242e6b2e6101"));
  EXPECT_FALSE(is_entry("93 a16b 05 90")) << "no operations";
  EXPECT_FALSE(is_entry("93 a16b 05 91 9300a5242e6a2e6101")) << "an operation of another key";
  EXPECT_FALSE(is_entry("93 a16b 05 91 9300a3242e6b01")) << "a path of one segment, where the key itself would do";
  EXPECT_FALSE(is_entry("93 a16b 05 91 9305a5242e6b2e6180")) << "a replace in a list";
  EXPECT_FALSE(is_entry("93 a16b 05 91 9304a5242e6b2e61c0")) << "an increment by null in a list";
  EXPECT_FALSE(is_entry("93 a16b 05 91 9301a5242e6b2e6101")) << "a delete with value in a list";
  EXPECT_TRUE(is_entry("94 a16b 05 91 9300a5242e6b2e6101 01")) << "a list with its result";
  EXPECT_TRUE(is_entry("93 a16b 15 91 9300a5242e6b2e6101")) << "a list that left the key absent";
  EXPECT_TRUE(is_entry("96 a16b 13 91a178 90 90 c2")) << "so did a remove";
  EXPECT_FALSE(is_entry("94 a16b 15 91 9300a5242e6b2e6101 01")) << "absent, and a result";
  EXPECT_FALSE(is_entry("93 a16b 10 01")) << "a set that leaves the key absent";
  EXPECT_FALSE(is_entry("92 a16b 19")) << "fresh, and absent";
}

TEST(DiffCodec, AListIsBoundedByItsBytesAlone) {
  std::string many = unhex("93 a16b 05 dc1001");
  for (int i = 0; i < 4097; ++i) {
    many += unhex("9300a5242e6b2e6101");
  }
  EXPECT_TRUE(decode_entry(many).ok());
  EXPECT_EQ(decode_entry(unhex("93 a16b 05 ddffffffff 9300a5242e6b2e6101")).code(), Code::kCorrupt);
}

TEST(DiffCodec, EveryTruncationIsRefused) {
  Diff diff;
  for (const Operation& op : operations(R"([{"type":"set","key":"a","value":{"b":[1,"text",null]}},
      {"type":"delete","key":"gone"},{"type":"append","key":"list","value":1.5},{"type":"remove","key":"l2","value":1},
      {"type":"increment","key":"n","value":1},{"type":"append","key":"n","value":"x"},
      {"type":"increment","key":"$.p.q","value":1}])")) {
    ASSERT_TRUE(fold_foreign(diff, op).ok());
  }
  std::string bytes;
  append_diff(bytes, diff);
  ASSERT_TRUE(decode_diff(bytes).ok());
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    const std::string shorter(bytes, 0, cut);  // a buffer of its own, so that a read behind it is seen
    EXPECT_EQ(decode_diff(shorter).code(), Code::kCorrupt) << cut;
  }
}

TEST(DiffCodec, LongKeysAndManyEntriesComeBack) {
  for (const size_t length : {0U, 31U, 32U, 255U, 256U, 70000U}) {
    Diff diff;
    diff.last = 1;
    for (int i = 0; i < 20; ++i) {
      diff.entries.push_back(DiffEntry{std::string(length, 'k') + std::to_string(i), Form(), Value(i)});
    }
    std::string bytes;
    append_diff(bytes, diff);
    const Result<Diff> back = decode_diff(bytes);
    ASSERT_TRUE(back.ok());
    EXPECT_TRUE(*back == diff);
  }
}

}  // namespace
}  // namespace cairn::engine
