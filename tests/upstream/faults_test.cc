// Servers that are away, die, refuse and say nonsense: what arrives arrives once, and nothing says the token.
#include <cstdlib>
#include <mutex>
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
  EXPECT_EQ(receiver_.taken, 0);

  write_file("token", kToken);
  resume(store);
  upstream.flush(kLong);
  expect_equal(store);
}

// Whoever steps by itself is asked to look once a second, and that look is enough.
TEST_F(Faults, AnotherTokenInTheFileIsTriedAtOnce) {
  receiver_.token = kToken;
  receiver_.listen();
  Store store = open_store();
  UpstreamOptions o = stepped();
  o.token_file = write_file("token", "wrong-" + std::string(kToken));
  Upstream upstream = Upstream::open(store, o);
  store.start({"run"}).set("a", 1).finish();
  const auto denied = [&](uint64_t times) {
    while (sync_state(store).failures < times) {
      upstream.step(kLong);
    }
    const auto in = upstream.step();
    ASSERT_TRUE(in.has_value());
    EXPECT_LE(in->count(), 1000) << "the store itself waits for five seconds";
    EXPECT_EQ(upstream.state().messages, times);
  };
  denied(1);
  write_file("token", "also-wrong-" + std::string(kToken));
  upstream.step();
  ASSERT_EQ(upstream.state().messages, 2U) << "at once";
  denied(2);
  write_file("token", "half");
  upstream.step();
  std::filesystem::remove(o.token_file);
  upstream.step();
  EXPECT_EQ(upstream.state().messages, 2U) << "that is no token: somebody is writing it";
  write_file("token", kToken);
  upstream.step();
  ASSERT_EQ(upstream.state().messages, 3U);
  upstream.flush(kLong);
  expect_equal(store);
}

// In the state and, once for each reason, in the log: who replaced the file hears why it does not help.
TEST_F(Faults, WhyNoTokenIsTakenFromItsFileIsTold) {
  std::mutex mutex;
  std::vector<std::string> lines;
  Options options;
  options.log = [&](LogLevel, Code, std::string_view line) {
    const std::lock_guard lock(mutex);
    lines.emplace_back(line);
  };
  receiver_.token = kToken;
  receiver_.listen();
  Store store = Store::open(file("store"), options);
  UpstreamOptions o = stepped();
  o.name = "relay";
  o.token_file = write_file("token", "wrong-" + std::string(kToken));
  Upstream upstream = Upstream::open(store, o);
  store.start({"run"}).set("a", 1).finish();
  while (sync_state(store).failures == 0) {
    upstream.step(kLong);
  }
  using ::testing::ElementsAre;
  using ::testing::HasSubstr;
  const auto told = [&](const std::string& reason) {
    for (int i = 0; i < 3; ++i) {
      upstream.step();
    }
    const std::string text = sync_state(store).last_error;
    EXPECT_THAT(text, HasSubstr("does not accept the token"));
    EXPECT_THAT(text, HasSubstr(reason));
    EXPECT_EQ(upstream.try_flush(std::chrono::milliseconds(1)).code, Code::kTimeout);
    EXPECT_THAT(last_error().what(), HasSubstr(reason));
    const std::lock_guard lock(mutex);
    EXPECT_THAT(std::exchange(lines, {}), ElementsAre(HasSubstr(reason)));
  };
  told("does not accept the token");
  std::filesystem::remove(o.token_file);
  told("No such file or directory): " + o.token_file);
  write_file("token", "");
  told("the token is empty");
  write_file("token", kToken, 0666);
  told("chmod 600 it: " + o.token_file);
  write_file("token", "half", 0600);
  chmod(o.token_file.c_str(), 0600);
  told("fewer than 32 characters");
  std::filesystem::remove(o.token_file);
  std::filesystem::create_directory(o.token_file);
  told("not a regular file");
  EXPECT_EQ(upstream.state().messages, 1U) << "nothing of that was tried";
  EXPECT_EQ(sync_state(store).failures, 1U);
  std::filesystem::remove(o.token_file);
  write_file("token", "wrong-" + std::string(kToken));
  upstream.step();
  EXPECT_STREQ(sync_state(store).last_error, "HTTP 401: the upstream does not accept the token");
  write_file("token", kToken);
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Faults, APauseOutlivesAnotherToken) {
  receiver_.token = kToken;
  receiver_.listen();
  Store store = open_store();
  UpstreamOptions o = stepped();
  o.token_file = write_file("token", "wrong-" + std::string(kToken));
  Upstream upstream = Upstream::open(store, o);
  store.start({"run"}).set("a", 1).finish();
  while (sync_state(store).failures == 0) {
    upstream.step(kLong);
  }
  ASSERT_EQ(cairn_sync_control(store.handle(), CAIRN_SYNC_PAUSE), CAIRN_OK);
  write_file("token", kToken);
  upstream.step();
  EXPECT_EQ(upstream.state().messages, 1U);
  resume(store);
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Faults, EachChangeOfTheUpstreamIsOneLineOfTheLog) {
  std::mutex mutex;
  std::vector<std::string> lines;
  Options options;
  options.log = [&](LogLevel, Code, std::string_view line) {
    const std::lock_guard lock(mutex);
    lines.emplace_back(line);
  };
  const auto said = [&] {
    const std::lock_guard lock(mutex);
    return std::exchange(lines, {});
  };
  receiver_.token = kToken;
  Store store = Store::open(file("store"), options);
  UpstreamOptions o = stepped();
  o.name = "relay";
  o.token_file = write_file("token", kToken);
  Upstream upstream = Upstream::open(store, o);
  auto run = store.start({"run"});
  const auto fail_until = [&](uint64_t failures) {
    while (sync_state(store).failures < failures) {
      upstream.step(kLong);
      resume(store);
    }
  };
  using ::testing::ElementsAre;
  using ::testing::HasSubstr;
  using ::testing::StartsWith;
  fail_until(3);
  EXPECT_THAT(said(), ElementsAre(StartsWith("the upstream relay: POST ")));
  receiver_.listen();
  for (int i = 0; i < 3; ++i) {
    run.increment("steps");
    upstream.flush(kLong);
  }
  EXPECT_THAT(said(), ElementsAre("the upstream relay answers again"));
  write_file("token", "wrong-" + std::string(kToken));
  upstream.close();
  upstream = Upstream::open(store, o);
  run.increment("steps");
  fail_until(6);
  EXPECT_THAT(said(), ElementsAre(HasSubstr("does not accept the token; tried again in 5 s")));
  receiver_.stop();
  fail_until(8);
  EXPECT_THAT(said(), ElementsAre(StartsWith("the upstream relay: POST ")));
}

// An upstream that is opened without bounds takes none away.
TEST_F(Faults, WhoOpensAnUpstreamKeepsTheBoundsThatWereAttached) {
  Store store = open_store();
  SyncOptions bounds;
  bounds.unsynced_runs_max = 2;
  store.sync().attach(receiver_.url(), bounds);
  Upstream upstream = Upstream::open(store, stepped());
  store.start({"a"});
  store.start({"b"});
  store.barrier();
  store.checkpoint();
  EXPECT_TRUE(store.sync().state().backlog);
  EXPECT_EQ(store.try_start({"c"}).code(), Code::kBacklog);
  upstream.close();
  UpstreamOptions wider = stepped();
  wider.unsynced_runs_max = 100;
  upstream = Upstream::open(store, wider);
  EXPECT_FALSE(store.sync().state().backlog);
  EXPECT_TRUE(store.try_start({"c"}).ok());
}

// What is wrong with the upstream, and not only that the time is over.
TEST_F(Faults, AFlushThatFailsSaysWhy) {
  Store store = open_store();
  UpstreamOptions o = stepped();
  o.token_file = write_file("token", "wrong-" + std::string(kToken));
  Upstream upstream = Upstream::open(store, o);
  store.start({"run"}).set("a", 1).finish();
  const auto why = [&](bool background) {
    upstream.close();
    o.background = background;
    upstream = Upstream::open(store, o);
    resume(store);
    const uint64_t failures = sync_state(store).failures;
    for (int i = 0; i < 1000 && sync_state(store).failures == failures; ++i) {
      (void)upstream.try_flush(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(upstream.try_flush(std::chrono::milliseconds(1)).code, Code::kTimeout);
    return std::string(last_error().what());
  };
  using ::testing::HasSubstr;
  for (const bool background : {false, true}) {
    EXPECT_THAT(why(background), HasSubstr("no server listens"));
  }
  receiver_.token = kToken;
  receiver_.listen();
  for (const bool background : {false, true}) {
    EXPECT_THAT(why(background), HasSubstr("does not accept the token"));
  }
}

TEST_F(Faults, AFlushSaysThatARunIsHeld) {
  receiver_.listen();
  for (const bool background : {false, true}) {
    Options options;
    options.metadata_bytes_max = 20'000;
    Store store = Store::open(file(background ? "one" : "two"), options);
    Upstream upstream = Upstream::open(store, background ? this->options() : stepped());
    store.start({background ? "small-1" : "small-2"}).set("a", 1).finish();
    store.start({background ? "big-1" : "big-2"}).set("text", noise(9000, 1)).finish();
    for (int i = 0; i < 1000 && sync_state(store).held_runs == 0; ++i) {
      (void)upstream.try_flush(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(upstream.try_flush(std::chrono::milliseconds(1)).code, Code::kTimeout);
    EXPECT_STREQ(last_error().what(),
                 "the upstream does not have everything yet: the upstream refused 1 run, held here (cairn sync --dead "
                 "says why)");
    EXPECT_EQ(cairn_upstream_flush(upstream.handle(), 1), CAIRN_TIMEOUT);
    cairn_error error = {};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    EXPECT_THAT(std::string(error.message), ::testing::HasSubstr("cairn sync --dead"));
  }
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
  EXPECT_THAT(std::string(sync_state(store).last_error), ::testing::HasSubstr("not a `cairn serve`"));
  EXPECT_EQ(upstream.state().answers, 0U);
}

TEST_F(Faults, WhatAStatusMeansIsSaid) {
  const struct {
    unsigned status;
    const char* said;
  } cases[] = {
      {301, "names another address, which is not followed"},
      {308, "names another address, which is not followed"},
      {401, "asks for a token, and none was given"},
      {403, "what answers there forbids it"},
      {404, "has no /v1/sync"},
      {421, "start it with --host"},
      {413, "takes less at once"},
      {418, "not a `cairn serve`"},
  };
  unsigned status = 0;
  receiver_.spoil = [&status](const http::Request&, http::Response& response) {
    response.status = status;
    response.body = "no";
  };
  receiver_.listen();
  for (const auto& c : cases) {
    status = c.status;
    Store store = open_store();
    Upstream upstream = Upstream::open(store, options());
    store.start({"run-" + std::to_string(status)}).set("a", 1).finish();
    ASSERT_TRUE(failed(store));
    EXPECT_THAT(std::string(sync_state(store).last_error), ::testing::HasSubstr(c.said)) << c.status;
  }
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
