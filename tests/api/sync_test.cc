// The upstream's calls one by one: what each takes, every error that it documents, and what it says of the store.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "tests/api/sync_fixture.h"

namespace cairn::tests {
namespace {

void ignore_bytes(void*, const void*, size_t) {}
/// Every call of a store's that is about its upstream. An upstream is attached first, if that works.
void expect_all(cairn_store* store, cairn_status expected) {
  int64_t in_ms = 0;
  cairn_sync_state state = {};
  state.struct_bytes = sizeof state;
  CAIRN_EXPECT(expected, cairn_sync_attach(store, "up", nullptr));
  CAIRN_EXPECT(expected, cairn_sync_next(store, ignore_bytes, nullptr, &in_ms));
  CAIRN_EXPECT(expected, cairn_sync_feed(store, "x", 1));
  CAIRN_EXPECT(expected, cairn_sync_failed(store, CAIRN_SYNC_TRANSIENT, "x", 0));
  CAIRN_EXPECT(expected, cairn_sync_receive(store, "x", 1, ignore_bytes, nullptr));
  CAIRN_EXPECT(expected, cairn_sync_control(store, CAIRN_SYNC_HURRY));
  CAIRN_EXPECT(expected, cairn_sync_get_state(store, nullptr, &state));
  CAIRN_EXPECT(expected, cairn_sync_get_state(store, "r", &state));
  CAIRN_EXPECT(expected, cairn_sync_wait(store, 0));
  CAIRN_EXPECT(expected, cairn_sync_release(store, "r", CAIRN_SYNC_RETRY));
  CAIRN_EXPECT(expected, cairn_sync_dead_letters(store, ignore_letter, nullptr));
  CAIRN_EXPECT(expected, cairn_sync_detach(store));
}

class SyncCalls : public ApiTest {
 protected:
  cairn_status attach(const cairn_sync_options& o) { return cairn_sync_attach(store_, "up", &o); }
  static cairn_sync_options sync_options() {
    cairn_sync_options o = {};
    o.struct_bytes = sizeof o;
    return o;
  }
  cairn_sync_state state(const char* run = nullptr) {
    cairn_sync_state s = {};
    s.struct_bytes = sizeof s;
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_get_state(store_, run, &s));
    return s;
  }
};

// --- every call ---

TEST_F(SyncCalls, NullHandlesAreInvalidArguments) { expect_all(nullptr, CAIRN_INVALID_ARGUMENT); }

TEST_F(SyncCalls, AStoreThatIsOnlyReadRefusesThem) {
  cairn_options o = options();
  o.flags = CAIRN_OPEN_READ_ONLY;
  cairn_store* reader = nullptr;
  CAIRN_ASSERT_OK(cairn_store_open(path().c_str(), &o, &reader));
  expect_all(reader, CAIRN_READ_ONLY);
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(reader, -1));
}

TEST_F(SyncCalls, AClosedStoreRefusesThem) {
  start("r");
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "up", nullptr));
  cairn_store* store = store_;
  close();
  // The run keeps what stands behind the handle.
  expect_all(store, CAIRN_CLOSED);
  CAIRN_EXPECT(CAIRN_CLOSED, cairn_run_refresh(run_));
}

TEST_F(SyncCalls, AForkedChildIsRefusedAndTouchesNothing) {
  start("r");
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "up", nullptr));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    expect_all(store_, CAIRN_FORKED);
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(state().flags & CAIRN_SYNC_STATE_ATTACHED, 0u);
}

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
  CAIRN_EXPECT(CAIRN_NOT_FOUND, cairn_sync_release(store_, "r", CAIRN_SYNC_RETRY));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_dead_letters(store_, ignore_letter, nullptr));
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

TEST_F(SyncCalls, NullPointersAndUnknownNumbersAreInvalidArguments) {
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(store_, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(store_, "", nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(store_, std::string(1025, 'x').c_str(), nullptr));
  EXPECT_EQ(state().flags, 0u);
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, std::string(1024, 'x').c_str(), nullptr));
  start("r");
  CAIRN_ASSERT_OK(cairn_store_barrier(store_));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_next(store_, nullptr, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_feed(store_, nullptr, 1));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_receive(store_, nullptr, 1, ignore_bytes, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_receive(store_, "x", 1, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_get_state(store_, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_release(store_, nullptr, CAIRN_SYNC_RETRY));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_dead_letters(store_, nullptr, nullptr));
  for (const int32_t unknown : {-1, CAIRN_SYNC_PROTOCOL + 1, INT32_MAX, INT32_MIN}) {
    CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_failed(store_, unknown, nullptr, 0));
  }
  for (const int32_t unknown : {-1, CAIRN_SYNC_COPIED + 1, INT32_MAX, INT32_MIN}) {
    CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_control(store_, unknown));
  }
  for (const int32_t unknown : {-1, CAIRN_SYNC_REPLACE + 1, INT32_MAX, INT32_MIN}) {
    CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_release(store_, "r", unknown));
  }
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_control(store_, CAIRN_SYNC_MOVED));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_control(store_, CAIRN_SYNC_COPIED));
  EXPECT_EQ(state().in_flight_runs, 0u) << "none of them took a message";
  // Null where null is allowed: nothing of an answer, no text, no time.
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_next(store_, ignore_bytes, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_failed(store_, CAIRN_SYNC_TRANSIENT, nullptr, 0));
  EXPECT_STRNE(state().last_error, "");
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_control(store_, CAIRN_SYNC_RESUME));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_next(store_, ignore_bytes, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_feed(store_, nullptr, 0));
  EXPECT_EQ(state().failures, 2u);
}

// --- structs ---

TEST_F(SyncCalls, OptionsOfOlderAndNewerCallers) {
  cairn_sync_options o = sync_options();
  o.struct_bytes = 0;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, attach(o));
  o.struct_bytes = sizeof o.struct_bytes - 1;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, attach(o));
  EXPECT_EQ(state().flags, 0u);
  o.struct_bytes = offsetof(cairn_sync_options, batch_bytes_max);
  o.batch_bytes_max = UINT32_MAX;  // behind what the caller knows: not read
  CAIRN_EXPECT(CAIRN_OK, attach(o));
  struct {
    cairn_sync_options known;
    uint64_t later;
  } newer = {sync_options(), 1};
  newer.known.struct_bytes = sizeof newer;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, attach(newer.known));
  newer.later = 0;
  CAIRN_EXPECT(CAIRN_OK, attach(newer.known));
}

TEST_F(SyncCalls, OptionsOutOfBoundsAreRefused) {
  cairn_sync_options o = sync_options();
  o.batch_runs_max = 65'537;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, attach(o));
  o.batch_runs_max = 65'536;
  o.batch_bytes_max = (4u << 20) + 1;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, attach(o));
  EXPECT_EQ(state().flags, 0u);
  o.batch_bytes_max = 4u << 20;
  o.interval_ms = UINT32_MAX;
  o.bytes_per_s = o.requests_per_s = o.unsynced_runs_max = o.unsynced_ms_max = UINT64_MAX;
  CAIRN_EXPECT(CAIRN_OK, attach(o));
}

TEST_F(SyncCalls, TheStateIsNoLongerThanTheCallersStruct) {
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "up", nullptr));
  unsigned char bytes[sizeof(cairn_sync_state) + 8];
  auto* s = reinterpret_cast<cairn_sync_state*>(bytes);
  std::memset(bytes, 0xee, sizeof bytes);
  s->struct_bytes = 0;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_get_state(store_, nullptr, s));
  s->struct_bytes = offsetof(cairn_sync_state, acknowledged);
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_get_state(store_, nullptr, s));
  EXPECT_EQ(s->struct_bytes, offsetof(cairn_sync_state, acknowledged));
  EXPECT_NE(s->flags & CAIRN_SYNC_STATE_ATTACHED, 0u);
  EXPECT_TRUE(std::all_of(bytes + offsetof(cairn_sync_state, acknowledged), std::end(bytes),
                          [](unsigned char c) { return c == 0xee; }));
  s->struct_bytes = sizeof bytes;
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_get_state(store_, nullptr, s));
  EXPECT_TRUE(std::all_of(bytes + sizeof(cairn_sync_state), std::end(bytes), [](unsigned char c) { return c == 0; }));
}

TEST_F(SyncCalls, TheLayoutsStay) {
  EXPECT_EQ(sizeof(cairn_sync_options), 56u);
  EXPECT_EQ(offsetof(cairn_sync_options, bytes_per_s), 16u);
  EXPECT_EQ(offsetof(cairn_sync_options, drop_finished), 48u);
  EXPECT_EQ(sizeof(cairn_sync_state), 368u);
  EXPECT_EQ(offsetof(cairn_sync_state, acknowledged), 8u);
  EXPECT_EQ(offsetof(cairn_sync_state, oldest_us), 64u);
  EXPECT_EQ(offsetof(cairn_sync_state, last_error), 104u);
  EXPECT_EQ(offsetof(cairn_sync_state, dropped_runs), 360u);
}

// --- what the state says ---

class SyncState : public SyncApiTest {
 protected:
  static bool all_acknowledged(const cairn_sync_state& s) { return (s.flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED) != 0; }
};

TEST_F(SyncState, OfAllRunsFollowsAMessageOnItsWay) {
  worker.send_to(up);
  EXPECT_TRUE(all_acknowledged(worker.state())) << "there is nothing";
  const uint64_t batches = worker.state().batches;
  worker.start("r", R"({"n":1})");
  EXPECT_FALSE(all_acknowledged(worker.state()));
  EXPECT_GT(worker.state().unsent_records, 0u);
  const std::string message = worker.next();
  cairn_sync_state s = worker.state();
  EXPECT_EQ(s.unsent_records, 0u);
  EXPECT_EQ(s.waiting_runs, 1u);
  EXPECT_EQ(s.in_flight_runs, 1u);
  EXPECT_EQ(s.in_flight_bytes, message.size());
  EXPECT_GT(s.oldest_us, 0);
  EXPECT_EQ(s.next_try_ms, -1) << "when it is answered";
  worker.feed(up.receive(message));
  s = worker.state();
  EXPECT_TRUE(all_acknowledged(s));
  EXPECT_EQ(s.waiting_runs + s.in_flight_runs + s.in_flight_bytes + s.held_runs, 0u);
  EXPECT_EQ(s.oldest_us, 0);
  EXPECT_GE(s.next_try_ms, 0);
  EXPECT_EQ(s.batches, batches + 1);
  EXPECT_EQ(s.failures, 0u);
}

TEST_F(SyncState, OfOneRunIsNotThatOfOthers) {
  worker.start("r", R"({"n":1})");
  worker.start("q");
  worker.send_to(up);
  worker.set("r", "n", "2");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(worker.store()));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_checkpoint(worker.store()));
  const cairn_sync_state r = worker.state("r");
  EXPECT_FALSE(all_acknowledged(r));
  EXPECT_EQ(r.waiting_runs, 1u);
  EXPECT_LT(r.acknowledged, r.sequence);
  EXPECT_GT(r.acknowledged, 0u);
  const cairn_sync_state q = worker.state("q");
  EXPECT_TRUE(all_acknowledged(q));
  EXPECT_EQ(q.waiting_runs, 0u);
  EXPECT_EQ(q.acknowledged, q.sequence);
  worker.send_to(up);
  EXPECT_TRUE(all_acknowledged(worker.state("r")));
  EXPECT_EQ(worker.state("r").acknowledged, worker.state("r").sequence);
  cairn_sync_state s = {};
  s.struct_bytes = sizeof s;
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_sync_get_state(worker.store(), "none", &s));
}

TEST_F(SyncState, LastErrorIsWhatTheTransportSaidUntilASuccess) {
  worker.start("r");
  const std::string message = worker.next();
  worker.failed(CAIRN_SYNC_TRANSIENT, "connection refused");
  cairn_sync_state s = worker.state();
  EXPECT_STREQ(s.last_error, "connection refused");
  EXPECT_EQ(s.failures, 1u);
  EXPECT_GT(s.next_try_ms, 0);
  EXPECT_LE(s.next_try_ms, 60'000);
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  worker.feed(up.receive(worker.next()));
  EXPECT_STREQ(worker.state().last_error, "");
}

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

// --- control ---

TEST_F(SyncState, PauseGivesNothingOutUntilResume) {
  worker.start("r");
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_PAUSE));
  EXPECT_NE(worker.state().flags & CAIRN_SYNC_STATE_PAUSED, 0u);
  EXPECT_EQ(worker.next(), "");
  EXPECT_EQ(worker.state().next_try_ms, -1);
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.state().flags & CAIRN_SYNC_STATE_PAUSED, 0u);
  EXPECT_NE(worker.next(), "");
  worker.lose();
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_PAUSE));
  worker.reopen();
  EXPECT_EQ(worker.state().flags & CAIRN_SYNC_STATE_PAUSED, 0u) << "the next open resumes";
  EXPECT_NE(worker.next(), "");
}

TEST_F(SyncState, HurryIsTheIntervalsEnd) {
  cairn_sync_options o = {};
  o.struct_bytes = sizeof o;
  o.interval_ms = 3'600'000;
  CAIRN_ASSERT_OK(cairn_sync_attach(worker.store(), "test", &o));
  worker.start("r", R"({"n":1})");
  worker.send_to(up);
  worker.set("r", "n", "2");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(worker.store()));
  // send_to() said "hurry" once more than there was to send; the message that it hurried is this one or none.
  (void)worker.next_now();
  worker.lose();
  worker.send_to(up);
  worker.set("r", "n", "3");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(worker.store()));
  int64_t in_ms = 0;
  EXPECT_EQ(worker.next_now(&in_ms), "");
  EXPECT_GT(in_ms, 0);
  EXPECT_LE(in_ms, 3'600'000);
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_HURRY));
  EXPECT_NE(worker.next_now(&in_ms), "");
  EXPECT_EQ(in_ms, -1);
}

TEST_F(SyncState, AMessageIsGivenOutOnceUntilItsAnswer) {
  worker.start("r");
  EXPECT_NE(worker.next(), "");
  int64_t in_ms = 0;
  EXPECT_EQ(worker.next_now(&in_ms), "");
  EXPECT_EQ(in_ms, -1);
}

TEST_F(SyncState, EachFailureHasItsTime) {
  for (int i = 0; i < 4; ++i) {
    worker.start("r" + std::to_string(i));
  }
  const std::string message = worker.next();
  worker.failed(CAIRN_SYNC_DENIED, "401");
  EXPECT_GT(worker.state().next_try_ms, 1'000);
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.next_now(), message);
  worker.failed(CAIRN_SYNC_PROTOCOL, "no receiver");
  EXPECT_GT(worker.state().next_try_ms, 20'000);
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.next_now(), message);
  worker.failed(CAIRN_SYNC_TRANSIENT, "busy", 600'000);
  EXPECT_GT(worker.state().next_try_ms, 500'000);
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.next_now(), message);
  worker.failed(CAIRN_SYNC_TOO_LARGE, "413");
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  const std::string half = worker.next_now();
  EXPECT_LT(half.size(), message.size());
  worker.feed(up.receive(half));
  worker.send_to(up);
  expect_equal();
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

TEST_F(SyncState, DetachedItSendsNothingAndAttachedAgainItGoesOn) {
  worker.start("r", R"({"n":1})");
  const std::string message = worker.next();
  EXPECT_FALSE(message.empty());
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_detach(worker.store()));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_detach(worker.store()));
  EXPECT_EQ(worker.state().flags, 0u);
  worker.set("r", "n", "2");
  worker.reopen();
  EXPECT_EQ(worker.state().flags, 0u) << "a reopen does not attach";
  worker.attach();
  EXPECT_EQ(worker.state().in_flight_runs, 1u) << "what was on its way may have arrived";
  worker.send_to(up);
  EXPECT_EQ(up.look("r"), R"({"n":2})");
  up.receive(message);  // what the network kept
  EXPECT_EQ(up.look("r"), R"({"n":2})");
}

TEST_F(SyncState, AttachingIsKeptAndAnotherNameSendsAllOnceMore) {
  worker.start("r", R"({"n":1})");
  worker.send_to(up);
  worker.reopen();
  EXPECT_NE(worker.state().flags & CAIRN_SYNC_STATE_ATTACHED, 0u);
  worker.attach();
  EXPECT_EQ(worker.next(), "") << "the same name";
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_attach(worker.store(), "another", nullptr));
  SyncSide another(directory_.path() + "/another");
  another.open();
  worker.send_to(another);
  EXPECT_EQ(another.look("r"), R"({"n":1})");
}

TEST_F(SyncState, MoreThanMayWaitRefusesNewRuns) {
  cairn_sync_options o = {};
  o.struct_bytes = sizeof o;
  o.unsynced_runs_max = 2;
  CAIRN_ASSERT_OK(cairn_sync_attach(worker.store(), "test", &o));
  worker.start("a");
  worker.start("b");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(worker.store()));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_checkpoint(worker.store()));
  EXPECT_NE(worker.state().flags & CAIRN_SYNC_STATE_BACKLOG, 0u);
  cairn_run* run = nullptr;
  CAIRN_EXPECT(CAIRN_BACKLOG, cairn_run_start(worker.store(), nullptr, &run));
  EXPECT_EQ(run, nullptr);
  worker.set("a", "n", "1");
  worker.send_to(up);
  EXPECT_EQ(worker.state().flags & CAIRN_SYNC_STATE_BACKLOG, 0u);
  worker.start("c");
  worker.send_to(up);
  expect_equal();
}

}  // namespace
}  // namespace cairn::tests
