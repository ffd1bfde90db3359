#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class Transaction : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    start("a", "{\"n\":1,\"l\":[1,2]}");
    CAIRN_ASSERT_OK(try_start("b", "{\"n\":10}", &other_));
    CAIRN_ASSERT_OK(cairn_transaction_begin(store_, &t_));
  }
  void TearDown() override {
    CAIRN_EXPECT(CAIRN_OK, cairn_transaction_close(t_));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(other_));
    ApiTest::TearDown();
  }
  cairn_status commit() { return cairn_transaction_commit(t_, CAIRN_DURABILITY_DEFAULT); }
  std::string both() { return current(run_) + " " + current(other_); }

  cairn_run* other_ = nullptr;
  cairn_transaction* t_ = nullptr;
};

TEST_F(Transaction, AppliesEveryKindOfUpdateAtCommit) {
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_double(t_, run_, "d", 1, 0.5));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_int64(t_, run_, "i", 1, 5));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_bool(t_, run_, "b", 1, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_string(t_, run_, "s", 1, "x", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_json(t_, run_, "j", 1, "[]", 2));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_msgpack(t_, run_, "m", 1, "\xc0", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_append_json(t_, run_, "l", 1, "3", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_append_msgpack(t_, run_, "l", 1, "\x04", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_remove_json(t_, run_, "l", 1, "1", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_remove_msgpack(t_, run_, "l", 1, "\x02", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_delete(t_, run_, "n", 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_replace_json(t_, other_, "{\"x\":1}", 7));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_increment_int64(t_, other_, "x", 1, 2));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_increment_double(t_, other_, "x", 1, 0.5));
  EXPECT_EQ(both(), "{\"n\":1,\"l\":[1,2]} {\"n\":10}") << "nothing before the commit";
  CAIRN_EXPECT(CAIRN_OK, commit());
  EXPECT_EQ(both(), "{\"l\":[3,4],\"d\":0.5,\"i\":5,\"b\":true,\"s\":\"x\",\"j\":[],\"m\":null} {\"x\":3.5}");
}

TEST_F(Transaction, OneUpdateThatDoesNotFitFailsAllAndKeepsThem) {
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_increment_int64(t_, run_, "n", 1, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_remove_json(t_, other_, "n", 1, "10", 2));
  CAIRN_EXPECT(CAIRN_UNAPPLIED, commit());
  EXPECT_EQ(last_error().index, 1u);
  EXPECT_EQ(both(), "{\"n\":1,\"l\":[1,2]} {\"n\":10}");
  // The reason goes away: the same transaction commits.
  CAIRN_EXPECT(CAIRN_OK, set_json(other_, "n", "[10]"));
  CAIRN_EXPECT(CAIRN_OK, commit());
  EXPECT_EQ(both(), "{\"n\":2,\"l\":[1,2]} {\"n\":[]}");
  CAIRN_EXPECT(CAIRN_OK, commit());
  EXPECT_EQ(both(), "{\"n\":2,\"l\":[1,2]} {\"n\":[]}") << "it was empty after the commit";
}

TEST_F(Transaction, AFinishedRunFailsAll) {
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_increment_int64(t_, run_, "n", 1, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_increment_int64(t_, other_, "n", 1, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(other_, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_FINISHED, commit());
  EXPECT_EQ(both(), "{\"n\":1,\"l\":[1,2]} {\"n\":10}");
}

TEST_F(Transaction, RollbackDropsWhatWasAdded) {
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_int64(t_, run_, "n", 1, 99));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_rollback(t_));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_int64(t_, other_, "n", 1, 11));
  CAIRN_EXPECT(CAIRN_OK, commit());
  EXPECT_EQ(both(), "{\"n\":1,\"l\":[1,2]} {\"n\":11}");
}

TEST_F(Transaction, BadInputIsRefusedWhenItIsAdded) {
  CAIRN_EXPECT(CAIRN_NOT_FINITE, cairn_transaction_set_double(t_, run_, "n", 1, 1e308 * 10));
  CAIRN_EXPECT(CAIRN_NOT_FINITE, cairn_transaction_increment_double(t_, run_, "n", 1, 1e308 * 10));
  CAIRN_EXPECT(CAIRN_KEY_REFUSED, cairn_transaction_set_double(t_, run_, "__proto__", 9, 1));
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, cairn_transaction_set_string(t_, run_, "n", 1, "\xff", 1));
  CAIRN_EXPECT(CAIRN_INVALID_JSON, cairn_transaction_set_json(t_, run_, "n", 1, "{", 1));
  CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, cairn_transaction_replace_json(t_, run_, "[]", 2));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_transaction_add(t_, run_, "[{}]", 4));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_transaction_commit(t_, 7));
  CAIRN_EXPECT(CAIRN_OK, commit());
  EXPECT_EQ(both(), "{\"n\":1,\"l\":[1,2]} {\"n\":10}");
}

TEST_F(Transaction, TakesOperationsOfTheWire) {
  constexpr std::string_view kOperations =
      "[{\"type\":\"increment\",\"key\":\"n\",\"value\":5},{\"type\":\"append\",\"key\":\"l\",\"value\":9}]";
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_add(t_, run_, kOperations.data(), kOperations.size()));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_add(t_, other_, kOperations.data(), kOperations.size()));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_commit(t_, CAIRN_DURABILITY_POWER));
  EXPECT_EQ(both(), "{\"n\":6,\"l\":[1,2,9]} {\"n\":15,\"l\":[9]}");
}

TEST_F(Transaction, OfAnotherStoreIsRefused) {
  cairn_store* second = nullptr;
  cairn_run* run = nullptr;
  const cairn_options o = options();
  CAIRN_ASSERT_OK(cairn_store_open((directory_.path() + "/second").c_str(), &o, &second));
  CAIRN_ASSERT_OK(cairn_run_start(second, nullptr, &run));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_transaction_set_double(t_, run, "a", 1, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(second, -1));
}

}  // namespace
}  // namespace cairn::tests
