// What others change upstream in a run of an idle worker reaches the worker by itself.
#include <atomic>
#include <string>

#include "tests/upstream/upstream_fixture.h"

namespace cairn::tests {
namespace {

class Others : public UpstreamTest {
 protected:
  [[nodiscard]] UpstreamOptions polling(std::chrono::milliseconds interval = std::chrono::milliseconds(20)) const {
    UpstreamOptions o = options();
    o.poll_interval = interval;
    return o;
  }
  /// By somebody at the upstream.
  void say_stop(const std::string& id) {
    receiver_.store().find(id)->set("stop", true);
    receiver_.store().barrier();
  }
  static bool stops(Store& store, const std::string& id) {
    return wait_for([&] { return store.find(id)->get<bool>("stop").value_or(false); });
  }
};

TEST_F(Others, AnIdleWorkerReadsWhatTheyWrote) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, polling());
  auto run = store.start({"r"});
  WatchOptions watched;
  watched.run = "r";
  watched.metadata = true;
  Watch watch = store.watch(watched);
  upstream.flush(kLong);
  say_stop("r");
  ASSERT_TRUE(stops(store, "r"));
  bool seen = false;
  EXPECT_TRUE(wait_for([&] {
    while (auto event = watch.next()) {
      seen = seen || event->metadata().value("stop", false);
    }
    return seen;
  }));
  EXPECT_EQ(run.text(), R"({"stop":true})");
}

TEST_F(Others, AlsoAfterTheWorkerWasAway) {
  receiver_.listen();
  {
    Store store = open_store();
    Upstream upstream = Upstream::open(store, polling());
    store.start({"r"});
    upstream.flush(kLong);
  }
  say_stop("r");
  Store store = open_store();
  const Upstream upstream = Upstream::open(store, polling());
  EXPECT_TRUE(stops(store, "r"));
}

TEST_F(Others, AWorkerWithoutRunsAsksNothing) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, polling());
  store.start({"r"}).finish();
  upstream.flush(kLong);
  const uint64_t before = upstream.state().messages;
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(upstream.state().messages, before);
}

TEST_F(Others, ZeroIsNever) {
  receiver_.listen();
  Store store = open_store();
  Upstream upstream = Upstream::open(store, polling(std::chrono::milliseconds(0)));
  store.start({"r"});
  upstream.flush(kLong);
  say_stop("r");
  const uint64_t before = upstream.state().messages;
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(upstream.state().messages, before);
  EXPECT_FALSE(store.find("r")->get<bool>("stop"));
}

TEST_F(Others, AnIntervalThatIsNoTimeIsRefused) {
  Store store = open_store();
  const auto refused = Upstream::try_open(store, polling(std::chrono::milliseconds(-1)));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::tests
