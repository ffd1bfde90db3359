// The upstream's calls one by one.
#include "tests/api/sync_fixture.h"

namespace cairn::tests {
namespace {

int32_t ignore_letter(void*, const char*, const char*, int64_t) { return 0; }

class SyncCalls : public ApiTest {
 protected:
  cairn_sync_state state(const char* run = nullptr) {
    cairn_sync_state s = {};
    s.struct_bytes = sizeof s;
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_get_state(store_, run, &s));
    return s;
  }
};

TEST_F(SyncCalls, WithoutAnUpstreamThereIsNothingToCarry) {
  start("r");
  std::string message;
  int64_t in_ms = 7;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_next(store_, append_bytes, &message, &in_ms));
  EXPECT_NE(std::string(last_error().message).find("no upstream"), std::string::npos) << last_error().message;
  EXPECT_EQ(message, "");
  EXPECT_EQ(in_ms, 7);
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_feed(store_, "x", 1));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_failed(store_, CAIRN_SYNC_TRANSIENT, "x", 0));
  for (int32_t what = CAIRN_SYNC_HURRY; what <= CAIRN_SYNC_COPIED; ++what) {
    CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_control(store_, what));
  }
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_wait(store_, 1000));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_release(store_, "r", CAIRN_SYNC_RETRY));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_dead_letters(store_, ignore_letter, nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_detach(store_));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_refresh(run_));
  EXPECT_EQ(state().flags, 0u);
  EXPECT_EQ(state().next_try_ms, -1);
  EXPECT_EQ(state("r").flags, 0u);
  EXPECT_GT(state("r").sequence, 0u);
  cairn_sync_state s = {};
  s.struct_bytes = sizeof s;
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_sync_get_state(store_, "none", &s));
}

using SyncState = SyncApiTest;

TEST_F(SyncState, LastErrorIsUtf8AndEndsWithAZero) {
  worker.start("r");
  (void)worker.next();
  const std::string umlauts = [] {
    std::string text = "x";
    for (int i = 0; i < 200; ++i) {
      text += "\xc3\xbc";
    }
    return text;
  }();
  worker.failed(CAIRN_SYNC_TRANSIENT, umlauts.c_str());
  EXPECT_EQ(std::string(worker.state().last_error), umlauts.substr(0, 255)) << "whole characters";
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  (void)worker.next();
  worker.failed(CAIRN_SYNC_TRANSIENT, "caf\xe9 \xc3\xbc \xff");  // a server's Latin-1
  EXPECT_STREQ(worker.state().last_error, "caf? \xc3\xbc ?");
}

TEST_F(SyncState, TheLongestTimesAreNoOverflow) {
  worker.start("r");
  const std::string message = worker.next();
  worker.failed(CAIRN_SYNC_TRANSIENT, "busy", INT64_MAX);
  EXPECT_GT(worker.state().next_try_ms, 86'400'000);
  EXPECT_EQ(worker.next(), "");
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.next_now(), message);
  worker.failed(CAIRN_SYNC_TRANSIENT, "busy", INT64_MIN);
  EXPECT_LE(worker.state().next_try_ms, 60'000);
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  worker.send_to(up);
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_wait(worker.store(), INT64_MAX));
}

TEST_F(SyncState, WaitEndsWithItsTimeAndAtOnceWhenAllIsThere) {
  worker.start("r");
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_sync_wait(worker.store(), 0));
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_sync_wait(worker.store(), 20));
  EXPECT_STRNE(last_error().message, "");
  worker.send_to(up);
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_wait(worker.store(), 0));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_wait(worker.store(), -1));
}

}  // namespace
}  // namespace cairn::tests
