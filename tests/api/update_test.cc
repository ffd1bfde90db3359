#include <cmath>
#include <limits>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class Update : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    start();
  }
};

TEST_F(Update, SetTakesEveryTypeAndKeepsTheOrderOfKeys) {
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_double(run_, "d", 1, 0.5));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_int64(run_, "i", 1, -7));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_uint64(run_, "u", 1, UINT64_MAX));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_uint64(run_, "v", 1, 7));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_bool(run_, "b", 1, 17));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_null(run_, "n", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_string(run_, "s", 1, "x\"y", 3));
  CAIRN_EXPECT(CAIRN_OK, set_json("j", "{\"a\":[1,2.5]}"));
  const unsigned char msgpack[] = {0x81, 0xa1, 'k', 0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0};
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_msgpack(run_, "m", 1, msgpack, sizeof msgpack));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_int64(run_, "d", 1, 1));
  EXPECT_EQ(current(),
            "{\"d\":1,\"i\":-7,\"u\":18446744073709551615,\"v\":7,\"b\":true,\"n\":null,\"s\":\"x\\\"y\",\"j\":{\"a\":["
            "1,2.5]},"
            "\"m\":{\"k\":1}}");
}

TEST_F(Update, AKeyChangesItsTypeInPlace) {
  for (int round = 0; round < 3; ++round) {
    CAIRN_EXPECT(CAIRN_OK, set("a", 0.25));
    EXPECT_EQ(current(), "{\"a\":0.25}");
    CAIRN_EXPECT(CAIRN_OK, set_string("a", "a longer string that needs memory of its own"));
    CAIRN_EXPECT(CAIRN_OK, set_string("a", "short"));
    EXPECT_EQ(current(), "{\"a\":\"short\"}");
    CAIRN_EXPECT(CAIRN_OK, cairn_run_set_bool(run_, "a", 1, 0));
    EXPECT_EQ(current(), "{\"a\":false}");
    CAIRN_EXPECT(CAIRN_OK, set_json("a", "[1]"));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_set_int64(run_, "a", 1, INT64_MIN));
    EXPECT_EQ(current(), "{\"a\":-9223372036854775808}");
  }
}

TEST_F(Update, KeysMayHoldAnyBytesOfUtf8) {
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_double(run_, nullptr, 0, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_double(run_, "a\0b", 3, 2));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_double(run_, "$", 1, 3));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_double(run_, "toString", 8, 4));
  EXPECT_EQ(current(), "{\"\":1,\"a\\u0000b\":2,\"$\":3,\"toString\":4}");
}

TEST_F(Update, APathChangesInsideAndNeverItsNamesake) {
  CAIRN_EXPECT(CAIRN_OK, replace("{\"a\":{\"b\":1},\"$.a.b\":10}"));
  for (int i = 2; i < 5; ++i) {
    CAIRN_EXPECT(CAIRN_OK, set("$.a.b", i));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "$.a.b", 5, 100));
    double v = 0;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_get_double(run_, "$.a.b", 5, &v));
    EXPECT_EQ(v, i + 100);
  }
  EXPECT_EQ(current(), "{\"a\":{\"b\":104},\"$.a.b\":10}");
}

TEST_F(Update, DeleteOfAMissingKeyIsAnAnswer) {
  CAIRN_EXPECT(CAIRN_OK, set("a", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_delete(run_, "a", 1));
  CAIRN_EXPECT(CAIRN_UNCHANGED, cairn_run_delete(run_, "a", 1));
  EXPECT_EQ(current(), "{}");
}

TEST_F(Update, AppendAndRemoveTakeEveryType) {
  CAIRN_EXPECT(CAIRN_OK, cairn_run_append_double(run_, "l", 1, 1.5));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_append_int64(run_, "l", 1, 2));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_append_string(run_, "l", 1, "x", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_append_json(run_, "l", 1, "{\"a\":1}", 7));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_append_msgpack(run_, "l", 1, "\xc3", 1));
  EXPECT_EQ(current(), "{\"l\":[1.5,2,\"x\",{\"a\":1},true]}");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_remove_double(run_, "l", 1, 2.0));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_remove_string(run_, "l", 1, "x", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_remove_json(run_, "l", 1, "{\"a\":1}", 7));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_remove_msgpack(run_, "l", 1, "\xc3", 1));
  CAIRN_EXPECT(CAIRN_UNCHANGED, cairn_run_remove_int64(run_, "l", 1, 99));
  EXPECT_EQ(current(), "{\"l\":[1.5]}");
}

TEST_F(Update, IncrementStaysExactUntilSixtyFourBitsAreFull) {
  CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "n", 1, INT64_MAX));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "n", 1, 1));
  EXPECT_EQ(get("n"), "9223372036854775808");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_decrement_int64(run_, "m", 1, INT64_MIN));
  EXPECT_EQ(get("m"), "9223372036854775808");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_double(run_, "d", 1, 0.5));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_decrement_double(run_, "d", 1, 0.125));
  EXPECT_EQ(get("d"), "0.375");
  CAIRN_EXPECT(CAIRN_OK, set_string("s", "text"));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "s", 1, 3));
  EXPECT_EQ(get("s"), "3");
}

TEST_F(Update, NumbersThatAreNotFiniteAreRefusedEverywhere) {
  CAIRN_EXPECT(CAIRN_OK, set("a", 1));
  cairn_cell* cell = nullptr;
  CAIRN_ASSERT_OK(cairn_run_bind(run_, "a", 1, &cell));
  for (const double bad :
       {std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    CAIRN_EXPECT(CAIRN_NOT_FINITE, set("a", bad));
    CAIRN_EXPECT(CAIRN_NOT_FINITE, cairn_run_increment_double(run_, "a", 1, bad));
    CAIRN_EXPECT(CAIRN_NOT_FINITE, cairn_run_decrement_double(run_, "a", 1, bad));
    CAIRN_EXPECT(CAIRN_NOT_FINITE, cairn_run_append_double(run_, "a", 1, bad));
    CAIRN_EXPECT(CAIRN_NOT_FINITE, cairn_cell_set_double(cell, bad));
    CAIRN_EXPECT(CAIRN_NOT_FINITE, cairn_cell_increment_double(cell, bad));
  }
  CAIRN_EXPECT(CAIRN_NOT_FINITE, set_json("a", "1e400"));
  CAIRN_EXPECT(CAIRN_NOT_FINITE, cairn_run_set_msgpack(run_, "a", 1, "\xcb\x7f\xf8\0\0\0\0\0\0", 9));
  EXPECT_EQ(current(), "{\"a\":1}");
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_close(cell));
}

TEST_F(Update, UnappliedOperationsSayWhyAndChangeNothing) {
  CAIRN_EXPECT(CAIRN_OK, replace("{\"n\":1,\"l\":[1],\"big\":1e308}"));
  const auto reason_of = [&](cairn_status s) { return s == CAIRN_UNAPPLIED ? last_error().reason : -s; };
  EXPECT_EQ(reason_of(cairn_run_remove_int64(run_, "none", 4, 1)), CAIRN_REASON_MISSING_KEY);
  EXPECT_EQ(reason_of(cairn_run_remove_int64(run_, "n", 1, 1)), CAIRN_REASON_NOT_AN_ARRAY);
  EXPECT_EQ(reason_of(set("$.none.x", 1)), CAIRN_REASON_MISSING_PARENT);
  EXPECT_EQ(reason_of(set("$.n.x", 1)), CAIRN_REASON_NOT_A_CONTAINER);
  EXPECT_EQ(reason_of(set("$.l.x", 1)), CAIRN_REASON_NO_SUCH_INDEX);
  EXPECT_EQ(reason_of(set("$.", 1)), CAIRN_REASON_EMPTY_PATH);
  EXPECT_EQ(reason_of(set("$.l.[5:6]", 1)), CAIRN_REASON_NO_MATCH);
  EXPECT_EQ(reason_of(cairn_run_increment_double(run_, "big", 3, 1.7e308)), CAIRN_REASON_OVERFLOW);
  EXPECT_STREQ(last_error().key, "big");
  EXPECT_EQ(current(), "{\"n\":1,\"l\":[1],\"big\":1e+308}");
}

TEST_F(Update, BadTextIsRefused) {
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, set_string("a", "\xff"));
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, set("\xc0\x80", 1));
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, set_json("a", "\"\\ud800\""));
  CAIRN_EXPECT(CAIRN_INVALID_JSON, set_json("a", "{\"a\":}"));
  CAIRN_EXPECT(CAIRN_INVALID_JSON, set_json("a", ""));
  CAIRN_EXPECT(CAIRN_INVALID_MSGPACK, cairn_run_set_msgpack(run_, "a", 1, "\xc1", 1));
  CAIRN_EXPECT(CAIRN_INVALID_MSGPACK, cairn_run_set_msgpack(run_, "a", 1, "\xc4\x01x", 3));
  CAIRN_EXPECT(CAIRN_TOO_DEEP, set_json("a", std::string(140, '[') + std::string(140, ']')));
  CAIRN_EXPECT(CAIRN_KEY_REFUSED, set("__proto__", 1));
  CAIRN_EXPECT(CAIRN_KEY_REFUSED, set("$.a.constructor.b", 1));
  CAIRN_EXPECT(CAIRN_TOO_LARGE, set(std::string(4097, 'k'), 1));
  EXPECT_EQ(current(), "{}");
}

TEST_F(Update, TheWholeMetadataIsAnObject) {
  CAIRN_EXPECT(CAIRN_OK, replace("{\"a\":1}"));
  for (const char* bad : {"[1]", "\"x\"", "1", "null", "true"}) {
    CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, replace(bad));
    cairn_run* other = nullptr;
    CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, try_start("other", bad, &other));
    EXPECT_EQ(other, nullptr);
  }
  CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, cairn_run_replace_msgpack(run_, "\x90", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_replace_msgpack(run_, "\x81\xa1z\x05", 4));
  EXPECT_EQ(current(), "{\"z\":5}");
}

TEST_F(Update, NullPointersAreArgumentsNotCrashes) {
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_double(nullptr, "a", 1, 1));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_double(run_, nullptr, 1, 1));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_string(run_, "a", 1, nullptr, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_string(run_, "a", 1, nullptr, 0));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_json(run_, "a", 1, nullptr, 3));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_get_double(run_, "a", 1, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_apply(run_, nullptr, 1, nullptr, 0, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_bind(run_, "a", 1, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_cell_set_double(nullptr, 1));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_barrier(nullptr));
  cairn_store* none = nullptr;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open(nullptr, nullptr, &none));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open(path().c_str(), nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_transaction_commit(nullptr, 0));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_close(nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_close(nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(nullptr, 0));
}

}  // namespace
}  // namespace cairn::tests
