// The upstream through the C ABI alone: what each call refuses, and two stores that exchange bytes.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "api_fixture.h"

namespace cairn::tests {
namespace {

void take(void* context, const void* bytes, size_t count) {
  static_cast<std::string*>(context)->assign(static_cast<const char*>(bytes), count);
}

class SyncApi : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    open_up();
    cairn_sync_options o = {};
    o.struct_bytes = sizeof o;
    o.poll_interval_ms = UINT32_MAX;  // messages are counted here
    CAIRN_ASSERT_OK(cairn_sync_attach(store_, "test", &o));
  }
  void TearDown() override {
    close_up();
    ApiTest::TearDown();
  }
  void open_up(uint32_t metadata_bytes_max = 0) {
    cairn_options o = options();
    o.metadata_bytes_max = metadata_bytes_max;
    CAIRN_ASSERT_OK(cairn_store_open((directory_.path() + "/up").c_str(), &o, &up_));
  }
  void close_up() {
    if (up_ != nullptr) {
      CAIRN_EXPECT(CAIRN_OK, cairn_store_close(up_, -1));
      up_ = nullptr;
    }
  }
  std::string next() {
    CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_));
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_control(store_, CAIRN_SYNC_HURRY));
    std::string message;
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_next(store_, take, &message, nullptr));
    return message;
  }
  std::string receive(const std::string& message) {
    std::string answer;
    (void)cairn_sync_receive(up_, message.data(), message.size(), take, &answer);
    return answer;
  }
  int exchange() {
    int messages = 0;
    for (std::string message = next(); !message.empty() && messages < 100; message = next(), ++messages) {
      const std::string answer = receive(message);
      CAIRN_EXPECT(CAIRN_OK, cairn_sync_feed(store_, answer.data(), answer.size()));
    }
    return messages;
  }
  cairn_sync_state state(const char* run = nullptr) {
    cairn_sync_state s = {};
    s.struct_bytes = sizeof s;
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_get_state(store_, run, &s));
    return s;
  }
  std::string there(const char* id) {
    cairn_run* run = nullptr;
    if (cairn_run_open(up_, id, &run) != CAIRN_OK) {
      return "none";
    }
    const std::string text = current(run);
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    return text;
  }
  cairn_store* up_ = nullptr;
};

TEST_F(SyncApi, AnOpenOfAnAttachedStoreGoesOnToAskWhatOthersWrote) {
  start("r");
  EXPECT_GE(exchange(), 1);
  cairn_run* there_run = nullptr;
  CAIRN_ASSERT_OK(cairn_run_open(up_, "r", &there_run));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_bool(there_run, "stop", 4, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(there_run));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(up_));
  close_run();
  close();
  open();
  CAIRN_ASSERT_OK(cairn_run_open(store_, "r", &run_));
  EXPECT_GE(exchange(), 1);
  EXPECT_EQ(current(run_), R"({"stop":true})");
}

TEST_F(SyncApi, WhatIsNoCallIsRefused) {
  std::string out;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(nullptr, "x", nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(store_, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(store_, "", nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(store_, std::string(2000, 'x').c_str(), nullptr));
  cairn_sync_options o = {};
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(store_, "x", &o));
  o.struct_bytes = sizeof o;
  o.batch_runs_max = 100'000;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_attach(store_, "x", &o));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_next(store_, nullptr, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_feed(store_, nullptr, 3));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_failed(store_, 4, nullptr, 0));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_failed(store_, -1, nullptr, 0));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_receive(up_, "x", 1, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_receive(up_, nullptr, 1, take, &out));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_control(store_, 9));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_get_state(store_, nullptr, nullptr));
  cairn_sync_state s = {};
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_get_state(store_, nullptr, &s));
  s.struct_bytes = sizeof s;
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_sync_get_state(store_, "none", &s));
  start();
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_release(store_, "r", 7));
  CAIRN_EXPECT(CAIRN_NOT_FOUND, cairn_sync_release(store_, "r", CAIRN_SYNC_RETRY));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_dead_letters(store_, nullptr, nullptr));
}

// Names and errors are for people, logs and states: an address in them loses what may be a secret.
TEST_F(SyncApi, NamesAndErrorsKeepNoSecretOfAnAddress) {
  start();
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "the relay https://user:pa/ss@up.example:4020/v1?token=secret", nullptr));
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "the relay https://up.example:4020/v1", nullptr));
  EXPECT_NE(next(), "");
  CAIRN_ASSERT_OK(cairn_sync_failed(store_, CAIRN_SYNC_TRANSIENT,
                                    "GET \"http://me@[::1]:80/a@b?k=1\" failed, then https://h:1#x and a://b:c@d", 0));
  EXPECT_STREQ(state().last_error, "GET \"http://[::1]:80/a@b\" failed, then https://h:1 and a://d");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(store_, -1));
  std::string all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
    if (entry.is_regular_file()) {
      std::ifstream in(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
  }
  EXPECT_NE(all.find("https://up.example:4020/v1"), std::string::npos);
  EXPECT_EQ(all.find("pa/ss"), std::string::npos);
  EXPECT_EQ(all.find("token=secret"), std::string::npos);
  open();
}

// To attach again without a word about a bound, as who opens an upstream does, takes none away.
TEST_F(SyncApi, AttachKeepsWhatIsNotGiven) {
  const auto attach = [&](auto set) {
    cairn_sync_options o = {};
    o.struct_bytes = sizeof o;
    set(o);
    CAIRN_ASSERT_OK(cairn_sync_attach(store_, "test", &o));
  };
  const auto backlog = [&] { return (state().flags & CAIRN_SYNC_STATE_BACKLOG) != 0; };
  attach([](cairn_sync_options& o) { o.unsynced_runs_max = 1; });
  start("a");
  start("b");
  CAIRN_ASSERT_OK(cairn_store_barrier(store_));
  CAIRN_ASSERT_OK(cairn_store_checkpoint(store_));
  EXPECT_TRUE(backlog());
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "test", nullptr));
  EXPECT_TRUE(backlog());
  attach([](cairn_sync_options&) {});
  EXPECT_TRUE(backlog());
  attach([](cairn_sync_options& o) { o.interval_ms = 5; });
  EXPECT_TRUE(backlog());
  attach([](cairn_sync_options& o) { o.unsynced_runs_max = UINT64_MAX; });
  EXPECT_FALSE(backlog());
  attach([](cairn_sync_options& o) { o.unsynced_runs_max = 1; });
  EXPECT_TRUE(backlog());
  CAIRN_ASSERT_OK(cairn_sync_detach(store_));
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "test", nullptr));
  EXPECT_FALSE(backlog()) << "after detach all begin anew";
}

TEST_F(SyncApi, WithoutAnUpstreamThereIsNothingToDo) {
  CAIRN_ASSERT_OK(cairn_sync_detach(store_));
  std::string out;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_next(store_, take, &out, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_feed(store_, "x", 1));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_wait(store_, 1));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_control(store_, CAIRN_SYNC_PAUSE));
  EXPECT_NE(std::string(last_error().message).find("cairn sync --upstream"), std::string::npos);
  EXPECT_EQ(state().flags & CAIRN_SYNC_STATE_ATTACHED, 0u);
}

TEST_F(SyncApi, ARunArrivesWithAllThatItHas) {
  cairn_run* run = start("r", R"({"n":1,"log":[]})");
  CAIRN_ASSERT_OK(cairn_run_increment_int64(run, "n", 1, 4));
  EXPECT_EQ(exchange(), 1);
  EXPECT_EQ(there("r"), R"({"n":5,"log":[]})");
  EXPECT_EQ(state().flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED, uint32_t{CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED});
  EXPECT_EQ(state("r").acknowledged, state("r").sequence);
  CAIRN_ASSERT_OK(cairn_run_set_double(run, "p", 1, 0.5));
  EXPECT_GT(state("r").sequence, state("r").acknowledged);
  CAIRN_ASSERT_OK(cairn_run_finish(run, CAIRN_RUN_COMPLETED));
  EXPECT_EQ(exchange(), 1);
  EXPECT_EQ(exchange(), 0);
  EXPECT_EQ(there("r"), R"({"n":5,"log":[],"p":0.5})");
  CAIRN_ASSERT_OK(cairn_run_erase(store_, "r"));
  close_run();
  EXPECT_EQ(exchange(), 1);
  EXPECT_EQ(there("r"), "none");
}

TEST_F(SyncApi, AReceivedRunIsItsSendersAndItsMetadataCanBeChanged) {
  start("r", R"({"n":1})");
  exchange();
  cairn_run* run = nullptr;
  CAIRN_ASSERT_OK(cairn_run_open(up_, "r", &run));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_finish(run, CAIRN_RUN_COMPLETED));
  CAIRN_ASSERT_OK(cairn_run_set_double(run, "seen", 4, 1.5));
  CAIRN_ASSERT_OK(cairn_run_increment_int64(run_, "n", 1, 1));
  exchange();
  EXPECT_EQ(current(run), R"({"n":2,"seen":1.5})");
  CAIRN_ASSERT_OK(cairn_run_close(run));
  CAIRN_ASSERT_OK(cairn_run_refresh(run_));
  exchange();
  EXPECT_EQ(current(), R"({"n":2,"seen":1.5})") << "its owner asked for it";
}

TEST_F(SyncApi, TheSameMessageComesAgainAndIsTakenOnce) {
  start("r", R"({"n":1})");
  const std::string message = next();
  ASSERT_FALSE(message.empty());
  CAIRN_ASSERT_OK(cairn_sync_failed(store_, CAIRN_SYNC_TRANSIENT, "no road", 0));
  EXPECT_STREQ(state().last_error, "no road");
  EXPECT_EQ(state().failures, 1u);
  EXPECT_GE(state().next_try_ms, 0);
  CAIRN_ASSERT_OK(cairn_sync_control(store_, CAIRN_SYNC_RESUME));
  EXPECT_EQ(next(), message);
  const std::string answer = receive(message);
  EXPECT_FALSE(answer.empty());
  close_run();
  close();
  open();
  const std::string again = next();
  EXPECT_EQ(again, message) << "also after a reopen";
  const std::string known = receive(again);
  CAIRN_ASSERT_OK(cairn_sync_feed(store_, known.data(), known.size()));
  EXPECT_EQ(there("r"), R"({"n":1})");
  EXPECT_STREQ(state().last_error, "");
}

TEST_F(SyncApi, SpoiledBytesAreNeverTaken) {
  start("r", R"({"n":1})");
  const std::string message = next();
  for (size_t i = 0; i < message.size(); ++i) {
    std::string spoiled = message;
    spoiled[i] = static_cast<char>(spoiled[i] ^ 0x20);
    EXPECT_FALSE(receive(spoiled).empty()) << i;
    EXPECT_FALSE(receive(message.substr(0, i)).empty()) << i;
    ASSERT_EQ(there("r"), "none") << i;
  }
  const std::string answer = receive(message);
  for (size_t i = 0; i < answer.size(); ++i) {
    std::string spoiled = answer;
    spoiled[i] = static_cast<char>(spoiled[i] ^ 0x20);
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_feed(store_, spoiled.data(), spoiled.size()));
    ASSERT_EQ(state("r").acknowledged, 0u) << i;
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_control(store_, CAIRN_SYNC_RESUME));
    ASSERT_EQ(next(), message) << i;
  }
  CAIRN_ASSERT_OK(cairn_sync_feed(store_, answer.data(), answer.size()));
  EXPECT_EQ(exchange(), 0);
  EXPECT_EQ(there("r"), R"({"n":1})");
}

TEST_F(SyncApi, WaitEndsWithTheAcknowledgementOrTheTime) {
  start("r");
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_sync_wait(store_, 1));
  std::thread carrier([this] {
    while (exchange() == 0) {
      std::this_thread::yield();
    }
  });
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_wait(store_, 60'000));
  carrier.join();
  EXPECT_EQ(there("r"), "{}");
}

TEST_F(SyncApi, PausedMeansNothingIsGivenOut) {
  start("r");
  CAIRN_ASSERT_OK(cairn_sync_control(store_, CAIRN_SYNC_PAUSE));
  EXPECT_EQ(next(), "");
  EXPECT_NE(state().flags & CAIRN_SYNC_STATE_PAUSED, 0u);
  CAIRN_ASSERT_OK(cairn_sync_control(store_, CAIRN_SYNC_RESUME));
  EXPECT_EQ(exchange(), 1);
}

TEST_F(SyncApi, ACopyIsNoticedAndToldWhatItIs) {
  start("r");
  exchange();
  close_run();
  close();
  std::filesystem::copy(path(), directory_.path() + "/copy", std::filesystem::copy_options::recursive);
  const cairn_options o = options();
  for (const int32_t what : {CAIRN_SYNC_COPIED, CAIRN_SYNC_MOVED}) {
    std::filesystem::remove_all(directory_.path() + "/again");
    std::filesystem::copy(directory_.path() + "/copy", directory_.path() + "/again",
                          std::filesystem::copy_options::recursive);
    CAIRN_ASSERT_OK(cairn_store_open((directory_.path() + "/again").c_str(), &o, &store_));
    EXPECT_NE(state().flags & CAIRN_SYNC_STATE_COPIED, 0u);
    EXPECT_EQ(state().next_try_ms, -1);
    CAIRN_ASSERT_OK(cairn_sync_control(store_, what));
    EXPECT_EQ(state().flags & CAIRN_SYNC_STATE_COPIED, 0u);
    CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_control(store_, what));
    close();
  }
}

TEST_F(SyncApi, ADeadLetterIsListedAndReleased) {
  close_up();
  open_up(100);
  start("big", (R"({"text":")" + std::string(300, 'x') + "\"}").c_str());
  exchange();
  std::vector<std::string> letters;
  const auto visit = [](void* context, const char* run, const char* reason, int64_t since_us) -> int32_t {
    static_cast<std::vector<std::string>*>(context)->push_back(std::string(run) + ": " + reason);
    return since_us > 0 ? 0 : 1;
  };
  CAIRN_ASSERT_OK(cairn_sync_dead_letters(store_, visit, &letters));
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0], "big: the metadata would exceed its limit");
  EXPECT_EQ(state().held_runs, 1u);
  CAIRN_ASSERT_OK(cairn_sync_release(store_, "big", CAIRN_SYNC_RETRY));
  exchange();
  EXPECT_EQ(state().held_runs, 1u) << "it is as large as before";
  CAIRN_ASSERT_OK(replace(R"({"n":1})"));
  CAIRN_ASSERT_OK(cairn_sync_release(store_, "big", CAIRN_SYNC_REPLACE));
  exchange();
  EXPECT_EQ(state().held_runs, 0u);
  EXPECT_EQ(there("big"), R"({"n":1})");
}

TEST_F(SyncApi, TheBoundOnWhatWaitsIsAnOption) {
  cairn_sync_options o = {};
  o.struct_bytes = sizeof o;
  o.unsynced_runs_max = 1;
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "test", &o));
  start("r");
  CAIRN_ASSERT_OK(cairn_store_barrier(store_));
  CAIRN_ASSERT_OK(cairn_store_checkpoint(store_));
  EXPECT_NE(state().flags & CAIRN_SYNC_STATE_BACKLOG, 0u);
  cairn_run* other = nullptr;
  CAIRN_EXPECT(CAIRN_BACKLOG, try_start("other", nullptr, &other));
  exchange();
  CAIRN_EXPECT(CAIRN_OK, try_start("other", nullptr, &other));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(other));
}

TEST_F(SyncApi, ClassUpstreamTimesOutAndWorks) {
  close_run();
  close();
  cairn_options o = options();
  o.upstream_timeout_ms = 50;
  open(o);
  start("r");
  cairn_run* there_too = nullptr;
  CAIRN_ASSERT_OK(cairn_run_with_durability(run_, CAIRN_DURABILITY_UPSTREAM, &there_too));
  CAIRN_EXPECT(CAIRN_TIMEOUT, set(there_too, "n", 1));
  EXPECT_EQ(current(), R"({"n":1})");
  exchange();
  EXPECT_EQ(there("r"), R"({"n":1})");
  CAIRN_ASSERT_OK(cairn_sync_detach(store_));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, set(there_too, "n", 2));
  EXPECT_EQ(current(), R"({"n":1})");
  CAIRN_ASSERT_OK(cairn_run_close(there_too));
}

}  // namespace
}  // namespace cairn::tests
