// What is updated here arrives there, with a thread and without, over connections that work.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/upstream/upstream_fixture.h"

namespace cairn::tests {
namespace {

class Carrying : public UpstreamTest {
 protected:
  // A small one, a large one that is compressed, and one that goes on.
  void work(Store& store) {
    for (int i = 0; i < 20; ++i) {
      auto run = store.start({"run-" + std::to_string(i)});
      run.set("text", std::string(static_cast<size_t>(i) * 100, 'x')).increment("steps", i);
      if (i % 2 == 0) {
        run.finish();
      }
    }
  }
};

TEST_F(Carrying, RunsArriveAndAreEqual) {
  receiver_.listen("127.0.0.1:0");
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  work(store);
  upstream.flush(kLong);
  expect_equal(store);
  store.find("run-3")->increment("steps", 39);
  store.start({"later"}).set("a", 1);
  upstream.flush(kLong);
  expect_equal(store);
  EXPECT_GT(receiver_.compressed, 0);

  const UpstreamState state = upstream.state();
  EXPECT_EQ(state.code, Code::kOk) << state.error;
  EXPECT_EQ(state.messages, static_cast<uint64_t>(receiver_.taken));
  EXPECT_EQ(state.answers, state.messages);
  EXPECT_GT(state.bytes_sent, 100U);
  EXPECT_GT(state.bytes_received, 100U);
}

TEST_F(Carrying, WithAThreadSyncWaitReturns) {
  receiver_.listen();
  Store store = open_store();
  const Upstream upstream = Upstream::open(store, options());
  work(store);
  EXPECT_EQ(cairn_sync_wait(store.handle(), kLong.count()), CAIRN_OK);
  expect_equal(store);
}

TEST_F(Carrying, NobodyNeedsToAskForIt) {
  receiver_.listen();
  Store store = open_store();
  const Upstream upstream = Upstream::open(store, options());
  work(store);
  EXPECT_TRUE(wait_for([&] { return (sync_state(store).flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED) != 0; }));
  expect_equal(store);
}

TEST_F(Carrying, AHostStepsItself) {
  receiver_.listen();
  Store store = open_store("store", false);
  Upstream upstream = Upstream::open(store, stepped());
  work(store);
  store.barrier();
  EXPECT_TRUE(wait_for([&] {
    (void)upstream.step();
    return (sync_state(store).flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED) != 0;
  }));
  expect_equal(store);
  EXPECT_GT(upstream.state().messages, 0U);
}

TEST_F(Carrying, FlushStepsWhereNobodyElseDoes) {
  receiver_.listen();
  Store store = open_store("store", false);
  Upstream upstream = Upstream::open(store, stepped());
  work(store);
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Carrying, StepSaysWhenToComeAgain) {
  receiver_.listen();
  Store store = open_store("store", false);
  UpstreamOptions o = stepped();
  o.interval = std::chrono::hours(1);
  o.poll_interval = std::chrono::milliseconds(0);
  Upstream upstream = Upstream::open(store, o);
  work(store);
  store.barrier();
  while (upstream.state().answers == 0) {
    EXPECT_EQ(upstream.step(kLong), std::chrono::milliseconds(0));  // carried something: again at once
  }
  std::optional<std::chrono::milliseconds> in;
  while ((in = upstream.step(kLong)) == std::chrono::milliseconds(0)) {
  }
  ASSERT_TRUE(in.has_value());
  EXPECT_GT(*in, std::chrono::minutes(30));
  ASSERT_EQ(cairn_sync_control(store.handle(), CAIRN_SYNC_PAUSE), CAIRN_OK);
  EXPECT_EQ(upstream.step(kLong), std::nullopt);
}

TEST_F(Carrying, TwoStoresHaveOneUpstream) {
  receiver_.listen();
  Store first = open_store("first");
  Store second = open_store("second");
  Upstream of_first = Upstream::open(first, options());
  Upstream of_second = Upstream::open(second, stepped());
  first.start({"a"}).set("from", "first").finish();
  second.start({"b"}).set("from", "second").finish();
  of_first.flush(kLong);
  of_second.flush(kLong);
  auto both = all(first);
  both.merge(all(second));
  EXPECT_EQ(both.size(), 2U);
  EXPECT_EQ(all(receiver_.store()), both);
}

TEST_F(Carrying, GoesOnAfterItWasClosedAndOpenedAgain) {
  receiver_.listen();
  {
    Store store = open_store();
    Upstream upstream = Upstream::open(store, options());
    store.start({"a"}).increment("steps", 1).finish();
    upstream.flush(kLong);
    upstream.close();
    store.start({"b"}).increment("steps", 2).finish();
  }
  Store store = open_store();
  store.start({"c"}).increment("steps", 3).finish();
  Upstream upstream = Upstream::open(store, options());
  upstream.flush(kLong);
  expect_equal(store);
  EXPECT_EQ(all(store).size(), 3U);
}

TEST_F(Carrying, FlushDoesNotWaitForWhatOthersUpdateMeanwhile) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  std::atomic<bool> stops{false};
  std::thread writer([&] {
    auto other = store.start({"other"});
    while (!stops) {
      other.increment("steps");
    }
  });
  for (int i = 0; i < 10; ++i) {
    const std::string id = "run-" + std::to_string(i);
    store.start({id}).set("i", i).finish();
    upstream.flush(kLong);
    EXPECT_TRUE(receiver_.store().find(id).has_value()) << id;
  }
  stops = true;
  writer.join();
  upstream.flush(kLong);
  expect_equal(store);
}

TEST_F(Carrying, ManyThreadsFlush) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, options());
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        const std::string id = std::to_string(t) + "-" + std::to_string(i);
        store.start({id}).set("i", i).finish();
        upstream.flush(kLong);
        EXPECT_TRUE(receiver_.store().find(id).has_value()) << id;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  expect_equal(store);
}

}  // namespace
}  // namespace cairn::tests
