// Servers that are away, die, refuse and say nonsense: what arrives arrives once, and nothing says the token.
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

#include "tests/upstream/upstream_fixture.h"

namespace cairn::tests {
namespace {

using Faults = UpstreamTest;

// Bytes that no compression makes smaller than three quarters.
std::string noise(size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < bytes) {
    text += static_cast<char>('!' + random() % 90);
  }
  return text;
}

void resume(Store& store) { ASSERT_EQ(cairn_sync_control(store.handle(), CAIRN_SYNC_RESUME), CAIRN_OK); }

TEST_F(Faults, WhatWasUpdatedWithoutAServerArrivesWhenThereIsOne) {
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  auto run = store.start({"run"});
  run.increment("steps");
  ASSERT_TRUE(failed(store, 2));
  EXPECT_STRNE(sync_state(store).last_error, "");
  run.increment("steps");
  receiver_.listen();
  upstream.flush(kLong);
  expect_equal(store);
  EXPECT_EQ(receiver_.store().find("run")->text(), R"({"steps":2})");
  EXPECT_STREQ(sync_state(store).last_error, "");
}

TEST_F(Faults, AMessageWhoseAnswerIsLostIsTakenOnce) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  auto run = store.start({"run"});
  run.increment("steps").append("log", "a");
  upstream.flush(kLong);

  receiver_.hold_next_answer();
  run.increment("steps").append("log", "b");
  ASSERT_TRUE(wait_for([this] { return receiver_.holding(); }));
  const int taken = receiver_.taken;
  std::thread dies([this] { receiver_.stop(); });  // cuts the connection, and waits for who holds the answer
  EXPECT_TRUE(failed(store));
  receiver_.let_go();
  dies.join();

  run.increment("steps").append("log", "c");
  receiver_.listen();
  upstream.flush(kLong);
  EXPECT_GT(receiver_.taken, taken);
  expect_equal(store);
  EXPECT_EQ(receiver_.store().find("run")->text(), R"({"steps":3,"log":["a","b","c"]})");
}

TEST_F(Faults, AWrongTokenIsDeniedUntilItIsAnother) {
  receiver_.token = kToken;
  receiver_.listen();
  Store store = open_store();
  UpstreamOptions o = options();
  o.token_file = write_file("token", "wrong-" + std::string(kToken));
  Upstream upstream = Upstream::open(store, o);
  store.start({"run"}).set("a", 1).finish();
  ASSERT_TRUE(failed(store));
  EXPECT_THAT(std::string(sync_state(store).last_error), ::testing::HasSubstr("does not accept the token"));
  EXPECT_GT(sync_state(store).next_try_ms, 60'000);
  EXPECT_EQ(receiver_.taken, 0);

  write_file("token", kToken);
  resume(store);
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Faults, ATokenFileThatIsGoneWhenItIsReadAgainIsToldAndTriedAgain) {
  receiver_.token = kToken;
  receiver_.listen();
  Store store = open_store();
  UpstreamOptions o = options();
  o.token_file = write_file("token", "wrong-" + std::string(kToken));
  Upstream upstream = Upstream::open(store, o);
  store.start({"run"}).set("a", 1).finish();
  ASSERT_TRUE(failed(store));
  std::filesystem::remove(o.token_file);
  resume(store);
  ASSERT_TRUE(failed(store, 2));
  EXPECT_EQ(receiver_.taken, 0);
  write_file("token", kToken);
  resume(store);
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Faults, TheTokenMayStandInTheEnvironment) {
  receiver_.token = kToken;
  receiver_.listen();
  Store store = open_store();
  UpstreamOptions o = options();
  o.token_environment = "CAIRN_UPSTREAM_TEST_TOKEN";
  EXPECT_EQ(Upstream::try_open(store, o).code(), Code::kInvalidArgument);
  ASSERT_EQ(setenv(o.token_environment.c_str(), kToken, 1),
            0);  // NOLINT(concurrency-mt-unsafe): nobody reads it meanwhile
  Upstream upstream = Upstream::open(store, o);
  ASSERT_EQ(unsetenv(o.token_environment.c_str()), 0);  // NOLINT(concurrency-mt-unsafe)
  store.start({"run"}).set("a", 1).finish();
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Faults, NoTextSaysTheToken) {
  receiver_.token = kToken;
  receiver_.spoil = [](const http::Request&, http::Response& response) {
    response.status = 500;
    response.headers.emplace_back("X-Token", kToken);
    response.body = kToken;
  };
  receiver_.listen();
  Store store = open_store();
  UpstreamOptions o = options();
  o.token_file = write_file("token", kToken);
  o.name = "relay";
  Upstream upstream = Upstream::open(store, o);
  store.start({"run"}).set("a", 1).finish();
  std::string said;
  const auto listen_in = [&] {
    said += sync_state(store).last_error + upstream.state().error + last_error().what() + "\n";
  };
  ASSERT_TRUE(failed(store));
  listen_in();
  EXPECT_EQ(upstream.try_flush(std::chrono::milliseconds(1)).code, Code::kTimeout);
  listen_in();
  const uint64_t failures = sync_state(store).failures;
  receiver_.stop();
  resume(store);
  ASSERT_TRUE(failed(store, failures + 1));
  listen_in();
  for (const char* url : {"http://user:%s@127.0.0.1:1", "http://127.0.0.1:1/?token=%s", "ftp://%s", "%s"}) {
    o.url = std::string(url).replace(std::string(url).find("%s"), 2, kToken);
    const auto refused = Upstream::try_open(store, o);
    EXPECT_EQ(refused.code(), Code::kInvalidArgument) << url;
    said += refused.status().what;
    listen_in();
  }
  EXPECT_NE(said, "");
  EXPECT_EQ(said.find("canary"), std::string::npos) << said;
}

TEST_F(Faults, AServerThatTakesLessAtOnceGetsSmallerMessages) {
  receiver_.body_bytes_max = 16'000;
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  ASSERT_EQ(cairn_sync_control(store.handle(), CAIRN_SYNC_PAUSE), CAIRN_OK);
  for (int i = 0; i < 30; ++i) {
    store.start({"run-" + std::to_string(i)}).set("text", noise(3000, static_cast<unsigned>(i))).finish();
  }
  resume(store);
  upstream.flush(kLong);
  EXPECT_GE(receiver_.counters().refused, 1U);
  EXPECT_GE(receiver_.taken, 2);
  expect_equal(store);
}

TEST_F(Faults, WhatAnswersAndIsNoCairnIsTold) {
  receiver_.spoil = [](const http::Request&, http::Response& response) {
    response.content_type = "text/html";
    response.body = "<html>Sign in to the hotel's network</html>";
  };
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  store.start({"run"}).set("a", 1).finish();
  ASSERT_TRUE(failed(store));
  EXPECT_THAT(std::string(sync_state(store).last_error), ::testing::HasSubstr("no `cairn serve`"));
  EXPECT_EQ(upstream.state().answers, 0U);
}

TEST_F(Faults, AnAnswerThatIsDamagedIsNotTaken) {
  receiver_.spoil = [](const http::Request&, http::Response& response) { response.body.back() ^= 1; };
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  auto run = store.start({"run"});
  run.increment("steps");
  ASSERT_TRUE(failed(store));
  resume(store);
  ASSERT_TRUE(failed(store, 2));
  receiver_.stop();
  receiver_.spoil = nullptr;
  run.increment("steps");
  receiver_.listen();
  resume(store);
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Faults, FlushSaysWhenItsTimeIsOver) {
  for (const bool background : {true, false}) {
    Store store = open_store(background ? "one" : "two");
    Upstream upstream = Upstream::open(store, background ? options() : stepped());
    store.start({"run"}).set("a", 1).finish();
    EXPECT_EQ(upstream.try_flush(std::chrono::milliseconds(1)).code, Code::kTimeout);
    EXPECT_EQ(upstream.try_flush(std::chrono::milliseconds(-1)).code, Code::kTimeout);
  }
}

}  // namespace
}  // namespace cairn::tests
