// Updates that fail: the error names run and key, on_error is told, and the count says how many.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/api/host_fixture.h"

namespace cairn::tests {
namespace {

using testing::FileCall;

class Refused : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    hooks_.context = this;
    hooks_.log = nullptr;
    hooks_.wall_us = nullptr;
    hooks_.monotonic_ms = nullptr;
    hooks_.random = nullptr;
    hooks_.on_error = [](void* t, const cairn_error* error) { static_cast<Refused*>(t)->hear(*error); };
    hooks_.release = [](void* t) { ++static_cast<Refused*>(t)->released_; };
    reopen();
  }
  void TearDown() override {
    faults_->fail_none();
    close_run();
    if (store_ != nullptr) {
      (void)cairn_store_close(store_, -1);  // a case may leave it latched
      store_ = nullptr;
    }
  }

  void hear(const cairn_error& error) {
    const std::lock_guard guard(mutex_);
    heard_.push_back(error);
    if (then_) {
      then_();
    }
  }
  /// `call` returns `code`; that is told once, as the last error is, with this run and key.
  void expect_told(cairn_status code, const char* run, const char* key, const std::function<cairn_status()>& call) {
    heard_.clear();
    const uint64_t before = store_ == nullptr ? 0 : stats().refused_updates;
    CAIRN_EXPECT(code, call());
    ASSERT_EQ(heard_.size(), 1u) << key;
    EXPECT_EQ(heard_[0].code, code);
    EXPECT_STREQ(heard_[0].run, run);
    EXPECT_STREQ(heard_[0].key, key);
    const std::string named =
        "run \"" + std::string(run) + '"' + (*key == '\0' ? "" : ", key \"" + std::string(key) + '"');
    EXPECT_EQ(std::string(heard_[0].message).rfind(named + ": ", 0), 0u) << heard_[0].message;
    EXPECT_STREQ(last_error().message, heard_[0].message);
    EXPECT_STREQ(last_error().run, run);
    EXPECT_EQ(last_error().told, 1);
    if (store_ != nullptr) {
      EXPECT_EQ(stats().refused_updates, before + 1);
    }
  }
  cairn_status apply(std::string_view json) {
    return cairn_run_apply(run_, json.data(), json.size(), nullptr, 0, nullptr);
  }
  cairn_status apply_atomic(std::string_view json) { return cairn_run_apply_atomic(run_, json.data(), json.size()); }

  std::mutex mutex_;
  std::vector<cairn_error> heard_;
  std::function<void()> then_;
  int released_ = 0;
};

TEST_F(Refused, AWrongValueOrKeyIsToldWithRunAndKey) {
  const std::string deep = std::string(134, '[') + std::string(134, ']');
  const std::string big = '"' + std::string(5000, 'x') + '"';
  expect_told(CAIRN_NOT_FINITE, "r", "loss", [&] { return set("loss", NAN); });
  expect_told(CAIRN_NOT_FINITE, "r", "a", [&] { return cairn_run_increment_double(run_, "a", 1, INFINITY); });
  expect_told(CAIRN_NOT_FINITE, "r", "l", [&] { return cairn_run_append_double(run_, "l", 1, NAN); });
  expect_told(CAIRN_NOT_FINITE, "r", "l", [&] { return cairn_run_remove_double(run_, "l", 1, NAN); });
  expect_told(CAIRN_INVALID_UTF8, "r", "k", [&] { return set_string("k", "\xff"); });
  expect_told(CAIRN_INVALID_JSON, "r", "k", [&] { return set_json("k", "{]"); });
  expect_told(CAIRN_INVALID_MSGPACK, "r", "k", [&] { return cairn_run_set_msgpack(run_, "k", 1, "\xc1", 1); });
  expect_told(CAIRN_TOO_DEEP, "r", "k", [&] { return set_json("k", deep); });
  expect_told(CAIRN_TOO_LARGE, "r", "k", [&] { return set_json("k", big); });
  expect_told(CAIRN_TOO_LARGE, "r", "", [&] { return set(std::string(5000, 'k'), 1); });
  expect_told(CAIRN_KEY_REFUSED, "r", "__proto__", [&] { return set("__proto__", 1); });
  expect_told(CAIRN_UNAPPLIED, "r", "a", [&] { return cairn_run_remove_int64(run_, "a", 1, 1); });
  expect_told(CAIRN_UNAPPLIED, "r", "$.none.x", [&] { return set("$.none.x", 1); });
  expect_told(CAIRN_INVALID_ARGUMENT, "r", "k", [&] { return cairn_run_set_json(run_, "k", 1, nullptr, 5); });
  expect_told(CAIRN_TYPE_MISMATCH, "r", "", [&] { return replace("[]"); });
  expect_told(CAIRN_TOO_LARGE, "r", "", [&] { return replace("{\"k\":" + big + "}"); });
  expect_told(CAIRN_INVALID_ARGUMENT, "r", "", [&] { return apply("[{\"type\":\"none\"}]"); });
  expect_told(CAIRN_INVALID_ARGUMENT, "r", "n",
              [&] { return apply(R"([{"type":"increment","key":"n","value":"1"}])"); });
  expect_told(CAIRN_TOO_LARGE, "r", "k", [&] {
    return apply(R"([{"type":"set","key":"b","value":1},{"type":"set","key":"k","value":)" + big + "}]");
  });
  EXPECT_EQ(last_error().index, 1u);
  expect_told(CAIRN_KEY_REFUSED, "r", "__proto__", [&] {
    return apply(R"([{"type":"set","key":"b","value":1},{"type":"set","key":"__proto__","value":1}])");
  });
  EXPECT_EQ(last_error().index, 1u);
  expect_told(CAIRN_UNAPPLIED, "r", "a", [&] {
    return apply_atomic(R"([{"type":"set","key":"b","value":2},{"type":"remove","key":"a","value":1}])");
  });
  EXPECT_EQ(last_error().index, 1u);
  expect_told(CAIRN_TOO_LARGE, "r", "", [&] {
    const std::string half = '"' + std::string(3000, 'x') + '"';
    return apply_atomic(R"([{"type":"set","key":"x","value":)" + half + R"(},{"type":"set","key":"y","value":)" + half +
                        "}]");
  });
  expect_told(CAIRN_INVALID_ARGUMENT, "r", "", [&] { return cairn_run_finish(run_, CAIRN_RUN_EXECUTING); });
  const char* tag = "\xff";
  expect_told(CAIRN_INVALID_UTF8, "r", "", [&] { return cairn_run_set_tags(run_, &tag, 1); });
  EXPECT_EQ(current(), "{\"a\":1,\"b\":1}") << "what succeeded";
}

TEST_F(Refused, ACellNamesRunAndKeyToo) {
  cairn_cell* cell = nullptr;
  CAIRN_ASSERT_OK(cairn_run_bind(run_, "loss", 4, &cell));
  expect_told(CAIRN_NOT_FINITE, "r", "loss", [&] { return cairn_cell_set_double(cell, NAN); });
  expect_told(CAIRN_INVALID_UTF8, "r", "loss", [&] { return cairn_cell_set_string(cell, "\xff", 1); });
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "r"));
  expect_told(CAIRN_ERASED, "r", "loss", [&] { return cairn_cell_increment_int64(cell, 1); });
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_close(cell));
}

TEST_F(Refused, ARunThatIsFinishedErasedOrInAClosedStoreIsNamed) {
  CAIRN_ASSERT_OK(cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
  expect_told(CAIRN_FINISHED, "r", "a", [&] { return set("a", 2); });
  expect_told(CAIRN_FINISHED, "r", "", [&] { return cairn_run_finish(run_, CAIRN_RUN_FAILED); });
  expect_told(CAIRN_FINISHED, "r", "b", [&] { return apply(R"([{"type":"set","key":"b","value":1}])"); });
  CAIRN_ASSERT_OK(cairn_run_erase(store_, "r"));
  expect_told(CAIRN_ERASED, "r", "a", [&] { return set("a", 2); });
  CAIRN_ASSERT_OK(cairn_store_close(store_, -1));
  store_ = nullptr;
  expect_told(CAIRN_CLOSED, "r", "a", [&] { return set("a", 2); });
}

TEST_F(Refused, AFullDiskAndAFailedSyncAreTold) {
  faults_->fail({FileCall::kWrite, 1, Status(Code::kNoSpace, "injected", ENOSPC), true});
  expect_told(CAIRN_NO_SPACE, "r", "", [&] { return cairn_run_set_status(run_, CAIRN_RUN_WAITING); });
  EXPECT_EQ(last_error().os_errno, ENOSPC);
  faults_->fail_none();
  cairn_run* power = nullptr;
  CAIRN_ASSERT_OK(cairn_run_with_durability(run_, CAIRN_DURABILITY_POWER, &power));
  faults_->fail({FileCall::kSync, 1, Status(Code::kIo, "injected", EIO), true});
  expect_told(CAIRN_INDETERMINATE, "r", "a", [&] { return set(power, "a", 2); });
  expect_told(CAIRN_LATCHED, "r", "a", [&] { return set("a", 3); });
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(power));
}

TEST_F(Refused, ATransactionNamesTheRunThatIsAtFault) {
  cairn_run* other = nullptr;
  CAIRN_ASSERT_OK(try_start("s", "{\"n\":1}", &other));
  cairn_transaction* t = nullptr;
  CAIRN_ASSERT_OK(cairn_transaction_begin(store_, &t));
  expect_told(CAIRN_NOT_FINITE, "s", "loss", [&] { return cairn_transaction_set_double(t, other, "loss", 4, NAN); });
  CAIRN_ASSERT_OK(cairn_transaction_set_double(t, run_, "a", 1, 2));
  CAIRN_ASSERT_OK(cairn_transaction_remove_json(t, other, "n", 1, "1", 1));
  const auto commit = [&] { return cairn_transaction_commit(t, CAIRN_DURABILITY_DEFAULT); };
  expect_told(CAIRN_UNAPPLIED, "s", "n", commit);
  EXPECT_EQ(last_error().index, 1u);
  CAIRN_ASSERT_OK(cairn_run_finish(other, CAIRN_RUN_COMPLETED));
  expect_told(CAIRN_FINISHED, "s", "", commit);
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_close(t));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(other));
  EXPECT_EQ(current(), "{\"a\":1}");
}

TEST_F(Refused, ARunOwnedElsewhereIsNamed) {
  cairn_start_options o = {};
  o.struct_bytes = sizeof o;
  o.id = "child";
  o.parent = "far";
  cairn_run* child = nullptr;
  cairn_run* far = nullptr;
  CAIRN_ASSERT_OK(cairn_run_start(store_, &o, &child));
  CAIRN_ASSERT_OK(cairn_run_parent(child, &far));
  expect_told(CAIRN_NOT_FINITE, "far", "loss", [&] { return set(far, "loss", NAN); });
  expect_told(CAIRN_INVALID_ARGUMENT, "far", "$.*.x", [&] { return set(far, "$.*.x", 1); });
  expect_told(CAIRN_INVALID_ARGUMENT, "far", "", [&] { return cairn_run_finish(far, CAIRN_RUN_COMPLETED); });
  const std::string value(3000, 'x');
  const auto fill = [&] {
    cairn_status s = CAIRN_OK;
    for (int i = 0; i < 20 && !CAIRN_FAILED(s); ++i) {
      const std::string key = "k" + std::to_string(i);
      s = cairn_run_set_string(far, key.data(), key.size(), value.data(), value.size());
    }
    return s;
  };
  expect_told(CAIRN_BACKLOG, "far", "k5", fill);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(far));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(child));
}

TEST_F(Refused, AParentThatCannotBeHadIsTold) {
  cairn_start_options o = {};
  o.struct_bytes = sizeof o;
  o.id = "child";
  o.parent = "far";
  cairn_run* child = nullptr;
  cairn_run* far = nullptr;
  CAIRN_ASSERT_OK(cairn_run_start(store_, &o, &child));
  faults_->fail({FileCall::kWrite, 1, Status(Code::kNoSpace, "injected", ENOSPC), true});
  expect_told(CAIRN_NO_SPACE, "child", "", [&] { return cairn_run_parent(child, &far); });
  EXPECT_EQ(far, nullptr);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(child));
}

TEST_F(Refused, WhatIsNoUpdateIsNotTold) {
  heard_.clear();
  double d = 0;
  cairn_run* none = nullptr;
  char text[1];
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_run_open(store_, "none", &none));
  EXPECT_STREQ(last_error().run, "none");
  EXPECT_STREQ(last_error().key, "");
  CAIRN_EXPECT(CAIRN_RUNNING, try_start("r", nullptr, &none));
  CAIRN_EXPECT(CAIRN_TOO_LARGE, cairn_run_current_json(run_, text, sizeof text, &needed, nullptr));
  CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, cairn_run_get_string(run_, "a", 1, text, sizeof text, &needed));
  EXPECT_STREQ(last_error().run, "") << "nothing is left of the error before";
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_double(nullptr, "a", 1, NAN));
  CAIRN_EXPECT(CAIRN_UNCHANGED, cairn_run_delete(run_, "none", 4));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "r"));
  CAIRN_EXPECT(CAIRN_ERASED, cairn_run_get_double(run_, "a", 1, &d));
  EXPECT_NE(std::string(last_error().message).find("the run r was erased"), std::string::npos);
  EXPECT_TRUE(heard_.empty());
  EXPECT_EQ(stats().refused_updates, 0u);
}

TEST_F(Refused, OnErrorMayUseTheStoreAndIsNotToldOfItself) {
  then_ = [&] {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "nans", 4, 1));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_append_string(run_, "log", 3, "NaN", 3));
    CAIRN_EXPECT(CAIRN_KEY_REFUSED, set("__proto__", 1));
    EXPECT_EQ(last_error().told, 0);
    CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_checkpoint(store_));
    cairn_run* other = nullptr;
    CAIRN_EXPECT(CAIRN_OK, try_start("of_the_handler", nullptr, &other));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(other));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "of_the_handler"));
  };
  CAIRN_EXPECT(CAIRN_NOT_FINITE, set("loss", NAN));
  EXPECT_EQ(last_error().code, CAIRN_NOT_FINITE) << "not what failed in the handler";
  EXPECT_STREQ(last_error().key, "loss");
  cairn_transaction* t = nullptr;
  CAIRN_ASSERT_OK(cairn_transaction_begin(store_, &t));
  CAIRN_ASSERT_OK(cairn_transaction_remove_json(t, run_, "a", 1, "1", 1));
  CAIRN_EXPECT(CAIRN_UNAPPLIED, cairn_transaction_commit(t, CAIRN_DURABILITY_DEFAULT));
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_close(t));
  EXPECT_EQ(heard_.size(), 2u);
  EXPECT_EQ(stats().refused_updates, 4u) << "two of the handler's own";
  EXPECT_EQ(current(), "{\"a\":1,\"nans\":2,\"log\":[\"NaN\",\"NaN\"]}");
}

TEST_F(Refused, WithoutOnErrorItIsCounted) {
  hooks_.on_error = nullptr;
  reopen();
  CAIRN_EXPECT(CAIRN_NOT_FINITE, set("loss", NAN));
  EXPECT_EQ(std::string(last_error().message).rfind("run \"r\", key \"loss\": NaN", 0), 0u) << last_error().message;
  EXPECT_EQ(last_error().told, 0);
  EXPECT_EQ(stats().refused_updates, 1u);
}

TEST_F(Refused, EachThreadTellsItsOwn) {
  constexpr int kEach = 500;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::string key = "k" + std::to_string(i);
      for (int n = 0; n < kEach; ++n) {
        wrong += set(key, NAN) != CAIRN_NOT_FINITE || key != last_error().key || last_error().told != 1;
        wrong += CAIRN_FAILED(set(key, n));
      }
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(heard_.size(), 4u * kEach);
  EXPECT_EQ(stats().refused_updates, 4u * kEach);
}

TEST_F(Refused, AForkedChildTellsNobody) {
  heard_.clear();
  const pid_t pid = fork();
  if (pid == 0) {
    const bool right = set("a", NAN) == CAIRN_FORKED && heard_.empty();
    _exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST_F(Refused, LongAndStrangeKeysStayReadable) {
  const std::string key = std::string(300, 'k') + "\n";
  CAIRN_EXPECT(CAIRN_NOT_FINITE, set(key, NAN));
  EXPECT_EQ(last_error().key_bytes, 301u);
  const std::string start = "run \"r\", key \"" + std::string(64, 'k') + "...\": ";
  EXPECT_EQ(std::string(last_error().message).rfind(start + "NaN", 0), 0u) << last_error().message;
  CAIRN_EXPECT(CAIRN_NOT_FINITE, set("a\nb", NAN));
  EXPECT_EQ(std::string(last_error().message).rfind("run \"r\", key \"a?b\": ", 0), 0u) << last_error().message;
  CAIRN_EXPECT(CAIRN_NOT_FINITE, set("", NAN));
  EXPECT_EQ(std::string(last_error().message).rfind("run \"r\", key \"\": NaN", 0), 0u) << last_error().message;
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, set("a\xff", 1));
  EXPECT_EQ(std::string(last_error().message).rfind("run \"r\", key \"a?\": ", 0), 0u) << last_error().message;
}

TEST_F(Refused, TheContextIsReleasedWhenTheLastHandleIsClosed) {
  EXPECT_EQ(released_, 0);
  close();
  EXPECT_EQ(released_, 0) << "the run may still tell";
  close_run();
  EXPECT_EQ(released_, 1);
  cairn_options o = options();
  o.hooks = &hooks_;
  o.flags = CAIRN_OPEN_NO_CREATE;
  const std::string none = directory_.path() + "/none";
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, cairn_store_open(none.c_str(), &o, &store_));
  EXPECT_EQ(released_, 1) << "an open that fails leaves it to the caller";
}

}  // namespace
}  // namespace cairn::tests
