#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class Cell : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    start("r", "{\"a\":1,\"b\":2,\"c\":3}");
  }
  void TearDown() override {
    CAIRN_EXPECT(CAIRN_OK, cairn_cell_close(cell_));
    ApiTest::TearDown();
  }
  void bind(std::string_view key) { CAIRN_ASSERT_OK(cairn_run_bind(run_, key.data(), key.size(), &cell_)); }
  cairn_cell* cell_ = nullptr;
};

TEST_F(Cell, FollowsItsKeyThroughEveryChangeOfLayout) {
  bind("b");
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_double(cell_, 10));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_delete(run_, "a", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_double(cell_, 11));
  EXPECT_EQ(current(), "{\"b\":11,\"c\":3}");
  CAIRN_EXPECT(CAIRN_OK, set("d", 4));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_increment_int64(cell_, 1));
  EXPECT_EQ(current(), "{\"b\":12,\"c\":3,\"d\":4}");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_delete(run_, "b", 1));
  double v = 0;
  CAIRN_EXPECT(CAIRN_NOT_FOUND, cairn_cell_get_double(cell_, &v));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_double(cell_, 13));
  EXPECT_EQ(current(), "{\"c\":3,\"d\":4,\"b\":13}");
  CAIRN_EXPECT(CAIRN_OK, replace("{\"x\":1,\"b\":\"text\"}"));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_double(cell_, 14.5));
  EXPECT_EQ(current(), "{\"x\":1,\"b\":14.5}");
  CAIRN_EXPECT(CAIRN_OK, replace("{\"b\":1,\"x\":1}"));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_increment_int64(cell_, 1));
  EXPECT_EQ(current(), "{\"b\":2,\"x\":1}");
}

TEST_F(Cell, CreatesItsKeyLikeSet) {
  bind("new");
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_increment_double(cell_, 0.5));
  EXPECT_EQ(get("new"), "0.5");
}

TEST_F(Cell, TakesEveryScalarAndGivesItBack) {
  bind("b");
  double d = 0;
  int64_t i = 0;
  uint64_t u = 0;
  int32_t b = 0;
  char text[16];
  size_t n = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_uint64(cell_, UINT64_MAX));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_get_uint64(cell_, &u));
  EXPECT_EQ(u, UINT64_MAX);
  CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, cairn_cell_get_int64(cell_, &i));
  EXPECT_STREQ(last_error().message, "b: expected an integer of 64 bits, found 18446744073709551615");
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_int64(cell_, -5));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_get_int64(cell_, &i));
  EXPECT_EQ(i, -5);
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_get_double(cell_, &d));
  EXPECT_EQ(d, -5);
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_bool(cell_, 5));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_get_bool(cell_, &b));
  EXPECT_EQ(b, 1);
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_string(cell_, "text", 4));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_get_string(cell_, text, sizeof text, &n));
  EXPECT_EQ(std::string(text, n), "text");
  CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, cairn_cell_get_bool(cell_, &b));
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, cairn_cell_set_string(cell_, "\xff", 1));
}

TEST_F(Cell, AfterFinishItSaysFinishedAndStillReads) {
  bind("b");
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_double(cell_, 5));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_FINISHED, cairn_cell_set_double(cell_, 6));
  CAIRN_EXPECT(CAIRN_FINISHED, cairn_cell_increment_int64(cell_, 6));
  CAIRN_EXPECT(CAIRN_FINISHED, cairn_cell_set_string(cell_, "x", 1));
  double v = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_get_double(cell_, &v));
  EXPECT_EQ(v, 5);
}

TEST_F(Cell, RefusesPathsAndBadNames) {
  cairn_cell* cell = nullptr;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_bind(run_, "$.a", 3, &cell));
  CAIRN_EXPECT(CAIRN_KEY_REFUSED, cairn_run_bind(run_, "__proto__", 9, &cell));
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, cairn_run_bind(run_, "\xff", 1, &cell));
  EXPECT_EQ(cell, nullptr);
}

TEST_F(Cell, OfAHandleOfClassPowerIsDurableAtOnce) {
  cairn_run* power = nullptr;
  CAIRN_ASSERT_OK(cairn_run_with_durability(run_, CAIRN_DURABILITY_POWER, &power));
  CAIRN_ASSERT_OK(cairn_run_bind(power, "b", 1, &cell_));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(power));
  cairn_stats before = {};
  before.struct_bytes = sizeof before;
  CAIRN_ASSERT_OK(cairn_store_stats(store_, &before));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_double(cell_, 5));
  cairn_stats after = {};
  after.struct_bytes = sizeof after;
  CAIRN_ASSERT_OK(cairn_store_stats(store_, &after));
  EXPECT_GT(after.wal_syncs, before.wal_syncs);
  EXPECT_EQ(after.durable_lsn, after.written_lsn);
  EXPECT_EQ(get("b"), "5");
}

}  // namespace
}  // namespace cairn::tests
