// Lengths over their limits, up to the one that -1 is, are TOO_LARGE before a byte is read. Null with length 0 is "".
#include <functional>
#include <vector>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

constexpr size_t kNeverMeant[] = {SIZE_MAX,     SIZE_MAX - 7,    SIZE_MAX / 2 + 1,
                                  SIZE_MAX / 2, size_t{1} << 40, size_t{65} << 20};

class Lengths : public ApiTest {
 protected:
  void SetUp() override {
    open();
    start();
  }
  void expect_too_large(const std::function<cairn_status(const char* bytes, size_t count)>& call) {
    for (const size_t count : kNeverMeant) {
      const std::string before = current();
      EXPECT_EQ(call("x", count), CAIRN_TOO_LARGE) << count << ": " << last_error().message;
      EXPECT_EQ(last_error().code, CAIRN_TOO_LARGE);
      EXPECT_GE(last_error().needed, count);
      EXPECT_GT(last_error().limit, 0u);
      EXPECT_EQ(current(), before);
    }
  }
};

TEST_F(Lengths, OfKeys) {
  cairn_cell* cell = nullptr;
  double d = 0;
  int64_t i = 0;
  size_t needed = 0;
  set("x", 1);
  for (int members = 0; members < 2; ++members) {  // a document that is searched, and one with an index
    expect_too_large([&](const char* k, size_t n) { return cairn_run_set_double(run_, k, n, 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_set_int64(run_, k, n, 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_set_uint64(run_, k, n, UINT64_MAX); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_set_bool(run_, k, n, 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_set_null(run_, k, n); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_set_string(run_, k, n, "a", 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_set_json(run_, k, n, "1", 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_set_msgpack(run_, k, n, "\1", 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_delete(run_, k, n); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_append_double(run_, k, n, 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_remove_string(run_, k, n, "a", 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_increment_int64(run_, k, n, 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_increment_double(run_, k, n, 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_decrement_int64(run_, k, n, 1); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_get_double(run_, k, n, &d); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_get_int64(run_, k, n, &i); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_get_json(run_, k, n, nullptr, 0, &needed); });
    expect_too_large([&](const char* k, size_t n) { return cairn_run_bind(run_, k, n, &cell); });
    EXPECT_EQ(cairn_run_get_double(run_, "$.x", SIZE_MAX, &d), CAIRN_TOO_LARGE) << "a path";
    for (int m = 0; m < 40; ++m) {
      set("key" + std::to_string(m), m);
    }
  }
}

TEST_F(Lengths, OfValues) {
  ASSERT_EQ(set_string("x", "a text that is there"), CAIRN_OK);  // so that the short way is tried first
  cairn_cell* cell = nullptr;
  CAIRN_ASSERT_OK(cairn_run_bind(run_, "x", 1, &cell));
  expect_too_large([&](const char* v, size_t n) { return cairn_run_set_string(run_, "x", 1, v, n); });
  EXPECT_STREQ(last_error().key, "x");
  EXPECT_EQ(last_error().limit, 4096u);
  expect_too_large([&](const char* v, size_t n) { return cairn_cell_set_string(cell, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_set_json(run_, "x", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_set_msgpack(run_, "x", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_append_string(run_, "l", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_append_json(run_, "l", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_append_msgpack(run_, "l", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_remove_string(run_, "l", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_remove_json(run_, "l", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_remove_msgpack(run_, "l", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_replace_json(run_, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_replace_msgpack(run_, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_apply_atomic(run_, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_apply(run_, v, n, nullptr, 0, nullptr); });
  expect_too_large([&](const char* v, size_t n) { return cairn_run_fail(run_, CAIRN_RUN_FAILED, v, n); });
  CAIRN_ASSERT_OK(cairn_cell_close(cell));
}

TEST_F(Lengths, InTransactions) {
  cairn_transaction* t = nullptr;
  CAIRN_ASSERT_OK(cairn_transaction_begin(store_, &t));
  expect_too_large([&](const char* k, size_t n) { return cairn_transaction_set_double(t, run_, k, n, 1); });
  expect_too_large([&](const char* v, size_t n) { return cairn_transaction_set_string(t, run_, "x", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_transaction_set_json(t, run_, "x", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_transaction_append_msgpack(t, run_, "x", 1, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_transaction_replace_json(t, run_, v, n); });
  expect_too_large([&](const char* v, size_t n) { return cairn_transaction_add(t, run_, v, n); });
  CAIRN_ASSERT_OK(cairn_transaction_commit(t, CAIRN_DURABILITY_DEFAULT));
  CAIRN_ASSERT_OK(cairn_transaction_close(t));
  EXPECT_EQ(current(), "{}");
}

TEST_F(Lengths, OfRunsListsAndMessages) {
  expect_too_large([&](const char* v, size_t n) {
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.metadata = v;
    o.metadata_bytes = n;
    cairn_run* run = nullptr;
    return cairn_run_start(store_, &o, &run);
  });
  const char* tags[] = {"a"};
  for (const size_t count : kNeverMeant) {
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.tags = tags;
    o.tag_count = count;
    cairn_run* run = nullptr;
    EXPECT_EQ(cairn_run_start(store_, &o, &run), CAIRN_TOO_LARGE) << count;
    EXPECT_EQ(cairn_run_set_tags(run_, tags, count), CAIRN_TOO_LARGE) << count;
  }
  size_t needed = 0;
  expect_too_large([&](const char* v, size_t n) { return cairn_eval(v, n, "[]", 2, 0, nullptr, 0, &needed); });
  expect_too_large([&](const char* v, size_t n) { return cairn_eval("{}", 2, v, n, 0, nullptr, 0, &needed); });
  expect_too_large([&](const char* v, size_t n) { return cairn_sync_feed(store_, v, n); });
  expect_too_large([&](const char* v, size_t n) {
    return cairn_sync_receive(
        store_, v, n, [](void*, const void*, size_t) {}, nullptr);
  });
}

TEST_F(Lengths, ANullPointerWithLength0IsTheEmptyText) {
  EXPECT_EQ(cairn_run_set_string(run_, nullptr, 0, nullptr, 0), CAIRN_OK);
  EXPECT_EQ(current(), R"({"":""})");
  EXPECT_EQ(cairn_run_set_string(run_, nullptr, 1, "a", 1), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_run_set_string(run_, "a", 1, nullptr, 1), CAIRN_INVALID_ARGUMENT);
}

TEST_F(Lengths, OfALiteralAreTheMacros) {
  EXPECT_EQ(cairn_run_set_string(run_, CAIRN_STR("phase"), CAIRN_STR("warm-up")), CAIRN_OK);
  EXPECT_EQ(cairn_run_set_double(run_, CAIRN_STR(""), 1), CAIRN_OK);
  EXPECT_EQ(current(), R"({"phase":"warm-up","":1})");
}

}  // namespace
}  // namespace cairn::tests
