// What is closed first: nothing dangles.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class Lifetime : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    start("r", "{\"a\":1}");
    CAIRN_ASSERT_OK(cairn_run_bind(run_, "a", 1, &cell_));
    CAIRN_ASSERT_OK(cairn_transaction_begin(store_, &transaction_));
  }
  void TearDown() override {
    CAIRN_EXPECT(CAIRN_OK, cairn_cell_close(cell_));
    CAIRN_EXPECT(CAIRN_OK, cairn_transaction_close(transaction_));
    ApiTest::TearDown();
  }
  /// Every call on every handle must return `expected`.
  void expect_all(cairn_status expected, bool store_too) {
    double d = 0;
    int64_t i = 0;
    uint64_t u = 0;
    int32_t b = 0;
    int fd = 0;
    size_t n = 0;
    uint8_t id[16];
    char text[64];
    cairn_run* other = nullptr;
    cairn_cell* cell = nullptr;
    cairn_transaction* transaction = nullptr;
    cairn_run_info info = {};
    info.struct_bytes = sizeof info;
    cairn_stats stats = {};
    stats.struct_bytes = sizeof stats;
    CAIRN_EXPECT(expected, cairn_run_set_double(run_, "a", 1, 2));
    CAIRN_EXPECT(expected, cairn_run_set_int64(run_, "a", 1, 2));
    CAIRN_EXPECT(expected, cairn_run_set_uint64(run_, "a", 1, UINT64_MAX));
    CAIRN_EXPECT(expected, cairn_run_set_bool(run_, "a", 1, 1));
    CAIRN_EXPECT(expected, cairn_run_set_null(run_, "a", 1));
    CAIRN_EXPECT(expected, cairn_run_set_string(run_, "a", 1, "x", 1));
    CAIRN_EXPECT(expected, cairn_run_set_json(run_, "a", 1, "2", 1));
    CAIRN_EXPECT(expected, cairn_run_set_msgpack(run_, "a", 1, "\x02", 1));
    CAIRN_EXPECT(expected, cairn_run_delete(run_, "a", 1));
    CAIRN_EXPECT(expected, cairn_run_append_int64(run_, "a", 1, 2));
    CAIRN_EXPECT(expected, cairn_run_remove_int64(run_, "a", 1, 2));
    CAIRN_EXPECT(expected, cairn_run_increment_int64(run_, "a", 1, 2));
    CAIRN_EXPECT(expected, cairn_run_decrement_double(run_, "a", 1, 2));
    CAIRN_EXPECT(expected, cairn_run_replace_json(run_, "{}", 2));
    CAIRN_EXPECT(expected, cairn_run_apply(run_, "[]", 2, nullptr, 0, nullptr));
    CAIRN_EXPECT(expected, cairn_run_apply_atomic(run_, "[]", 2));
    CAIRN_EXPECT(expected, cairn_run_get_double(run_, "a", 1, &d));
    CAIRN_EXPECT(expected, cairn_run_get_json(run_, "a", 1, text, sizeof text, &n));
    CAIRN_EXPECT(expected, cairn_run_current_json(run_, text, sizeof text, &n, nullptr));
    CAIRN_EXPECT(expected, cairn_run_get_info(run_, &info, text, sizeof text, &n));
    CAIRN_EXPECT(expected, cairn_run_bind(run_, "a", 1, &cell));
    CAIRN_EXPECT(expected, cairn_run_with_durability(run_, CAIRN_DURABILITY_POWER, &other));
    CAIRN_EXPECT(expected, cairn_run_set_status(run_, CAIRN_RUN_WAITING));
    CAIRN_EXPECT(expected, cairn_run_set_tags(run_, nullptr, 0));
    CAIRN_EXPECT(expected, cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
    CAIRN_EXPECT(expected, cairn_cell_set_double(cell_, 2));
    CAIRN_EXPECT(expected, cairn_cell_set_int64(cell_, 2));
    CAIRN_EXPECT(expected, cairn_cell_set_uint64(cell_, UINT64_MAX));
    CAIRN_EXPECT(expected, cairn_cell_set_bool(cell_, 1));
    CAIRN_EXPECT(expected, cairn_cell_set_string(cell_, "x", 1));
    CAIRN_EXPECT(expected, cairn_cell_increment_int64(cell_, 2));
    CAIRN_EXPECT(expected, cairn_cell_increment_double(cell_, 2));
    CAIRN_EXPECT(expected, cairn_cell_get_int64(cell_, &i));
    CAIRN_EXPECT(expected, cairn_cell_get_bool(cell_, &b));
    CAIRN_EXPECT(expected, cairn_cell_get_string(cell_, text, sizeof text, &n));
    CAIRN_EXPECT(expected, cairn_transaction_set_double(transaction_, run_, "a", 1, 1));
    CAIRN_EXPECT(expected, cairn_transaction_add(transaction_, run_, "[]", 2));
    CAIRN_EXPECT(expected, cairn_transaction_commit(transaction_, 0));
    CAIRN_EXPECT(expected, cairn_transaction_rollback(transaction_));
    if (store_too) {
      CAIRN_EXPECT(expected, cairn_run_start(store_, nullptr, &other));
      CAIRN_EXPECT(expected, cairn_run_resume(store_, "r", &other));
      CAIRN_EXPECT(expected, cairn_run_open(store_, "r", &other));
      CAIRN_EXPECT(expected, cairn_run_erase(store_, "r"));
      CAIRN_EXPECT(expected, cairn_transaction_begin(store_, &transaction));
      CAIRN_EXPECT(expected, cairn_store_step(store_, 0));
      CAIRN_EXPECT(expected, cairn_store_next_deadline_ms(store_, &i));
      CAIRN_EXPECT(expected, cairn_store_wait_fd(store_, &fd));
      CAIRN_EXPECT(expected, cairn_store_barrier(store_));
      CAIRN_EXPECT(expected, cairn_store_epoch(store_, &u));
      CAIRN_EXPECT(expected, cairn_store_durable_epoch(store_, &u));
      CAIRN_EXPECT(expected, cairn_store_wait_durable(store_, 1, 0));
      CAIRN_EXPECT(expected, cairn_store_checkpoint(store_));
      CAIRN_EXPECT(expected, cairn_store_stats(store_, &stats));
      CAIRN_EXPECT(expected, cairn_store_id(store_, id));
      CAIRN_EXPECT(expected, cairn_store_list(
                                 store_, [](void*, const cairn_run_info*) -> int32_t { return 0; }, nullptr));
      CAIRN_EXPECT(expected,
                   cairn_store_query(
                       store_, nullptr, [](void*, const cairn_run_info*, const char*, size_t) -> int32_t { return 0; },
                       nullptr, nullptr));
    }
  }

  cairn_cell* cell_ = nullptr;
  cairn_transaction* transaction_ = nullptr;
};

TEST_F(Lifetime, AfterCloseOfTheStoreEveryHandleSaysClosed) {
  close();
  expect_all(CAIRN_CLOSED, false);
}

TEST_F(Lifetime, HandlesOfAClosedStoreDoNotKeepItsDirectory) {
  close();
  cairn_run* mine = run_;
  run_ = nullptr;
  open();
  CAIRN_ASSERT_OK(cairn_run_resume(store_, "r", &run_));
  CAIRN_EXPECT(CAIRN_OK, set("a", 5));
  CAIRN_EXPECT(CAIRN_CLOSED, set(mine, "a", 6));
  EXPECT_EQ(current(), "{\"a\":5}");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(mine));
}

TEST_F(Lifetime, ACellOutlivesItsRunHandle) {
  close_run();
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_double(cell_, 7));
  CAIRN_ASSERT_OK(cairn_run_open(store_, "r", &run_));
  EXPECT_EQ(current(), "{\"a\":7}");
}

TEST_F(Lifetime, ATransactionOutlivesItsRunHandle) {
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_set_int64(transaction_, run_, "a", 1, 8));
  close_run();
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_commit(transaction_, 0));
  CAIRN_ASSERT_OK(cairn_run_open(store_, "r", &run_));
  EXPECT_EQ(current(), "{\"a\":8}");
}

TEST_F(Lifetime, CloseWhileOtherThreadsUpdateLosesNothingAcknowledged) {
  std::atomic<bool> go{true};
  std::atomic<int> last{0};
  std::thread writer([&] {
    for (int i = 1; go; ++i) {
      const cairn_status s = cairn_cell_set_int64(cell_, i);
      if (s == CAIRN_CLOSED) {
        return;
      }
      ASSERT_EQ(s, CAIRN_OK);
      last = i;
    }
  });
  while (last < 1000) {
    std::this_thread::yield();
  }
  close();
  writer.join();
  close_run();
  open();
  CAIRN_ASSERT_OK(cairn_run_open(store_, "r", &run_));
  EXPECT_EQ(current(), "{\"a\":" + std::to_string(last) + "}");
}

TEST_F(Lifetime, InAForkedChildEveryCallSaysForkedAndTouchesNothing) {
  CAIRN_EXPECT(CAIRN_OK, set("a", 3));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    expect_all(CAIRN_FORKED, true);
    CAIRN_EXPECT(CAIRN_FORKED, cairn_cell_close(cell_));
    CAIRN_EXPECT(CAIRN_FORKED, cairn_transaction_close(transaction_));
    CAIRN_EXPECT(CAIRN_FORKED, cairn_run_close(run_));
    CAIRN_EXPECT(CAIRN_FORKED, cairn_store_close(store_, -1));
    expect_all(CAIRN_FORKED, true);  // they closed nothing
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child's failures are above";
  CAIRN_EXPECT(CAIRN_OK, set("b", 4));
  EXPECT_EQ(current(), "{\"a\":3,\"b\":4}");
}

TEST_F(Lifetime, AForkedChildMayOpenAStoreOfItsOwn) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    cairn_store* mine = nullptr;
    cairn_run* run = nullptr;
    const cairn_options o = options();
    CAIRN_EXPECT(CAIRN_BUSY, cairn_store_open(path().c_str(), &o, &mine));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_open((directory_.path() + "/child").c_str(), &o, &mine));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_start(mine, nullptr, &run));
    CAIRN_EXPECT(CAIRN_OK, set(run, "x", 1));
    CAIRN_EXPECT(CAIRN_OK, set(run, "x", 2));
    CAIRN_EXPECT(CAIRN_FORKED, set("a", 9));
    CAIRN_EXPECT(CAIRN_FORKED, cairn_cell_set_double(cell_, 9));
    // The grandchild may use neither.
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      CAIRN_EXPECT(CAIRN_FORKED, set("a", 9));
      CAIRN_EXPECT(CAIRN_FORKED, set(run, "x", 9));
      _exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    waitpid(grandchild, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(current(run), "{\"x\":2}");
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_close(mine, -1));
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(current(), "{\"a\":1}");
}

}  // namespace
}  // namespace cairn::tests
