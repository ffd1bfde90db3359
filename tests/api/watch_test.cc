// Watches through the public API: beside writers at full speed in this process and in another, by call, by callback and
// by descriptor; and the history.
#include <poll.h>
#include <sys/wait.h>

#include <atomic>
#include <cairn/cairn.hpp>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/api/api_fixture.h"
#include "tests/support/child_process.h"

namespace cairn::tests {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kWriters = 4;

/// CAIRN_WATCH_SECONDS=10 is the long form.
std::chrono::milliseconds writing_time() {
  const char* seconds = std::getenv("CAIRN_WATCH_SECONDS");
  return std::chrono::milliseconds(seconds == nullptr ? 1500 : 1000 * std::atoi(seconds));
}

class WatchTest : public ::testing::Test {
 protected:
  [[nodiscard]] Store open(bool background = true) const {
    Options options;
    options.background = background;
    options.flush_interval_ms = 100;
    options.segment_bytes = 256u << 10;
    return Store::open(directory_.store(), options);
  }
  static cairn::Run start(Store& store, const std::string& id) {
    Start start;
    start.id = id;
    return store.start(start);
  }
  static std::string told(Watch& watch) {
    static constexpr const char* kKinds[] = {"", "changed", "finished", "erased", "reset"};
    std::string all;
    for (const WatchEvent& event : watch) {
      all += (all.empty() ? "" : "; ") + std::string(kKinds[static_cast<int>(event.kind)]) + " " + event.run + "@" +
             std::to_string(event.version) + (event.text.empty() ? "" : " " + event.text);
    }
    return all;
  }

  Directory directory_;
};

/// Four threads, each with a run of its own, at full speed; then the last value, and it notes when.
struct Writers {
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  std::vector<int64_t> last = std::vector<int64_t>(kWriters);

  explicit Writers(std::vector<Run>& runs) {
    for (int w = 0; w < kWriters; ++w) {
      threads.emplace_back([this, w, &run = runs[static_cast<size_t>(w)]] {
        int64_t n = 0;
        while (!stop) {
          run.set("n", ++n);
        }
        last[static_cast<size_t>(w)] = n;
      });
    }
  }
  void join() {
    stop = true;
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
};

/// What a 10 Hz watcher saw of the writers.
struct Saw {
  std::vector<uint64_t> version = std::vector<uint64_t>(kWriters);
  std::vector<int64_t> n = std::vector<int64_t>(kWriters);
  int events = 0;

  void take(const WatchEvent& event) {
    const auto writer = static_cast<size_t>(event.run.at(1) - '0');
    EXPECT_GT(event.version, version[writer]) << "strictly rising";
    version[writer] = event.version;
    const int64_t now = event.metadata().value("n", int64_t{0});
    EXPECT_GE(now, n[writer]);
    n[writer] = now;
    ++events;
  }
  void take_all(Watch& watch) {
    for (const WatchEvent& event : watch) {
      take(event);
    }
  }
};

WatchOptions at_10_hz() {
  WatchOptions o;
  o.metadata = true;
  o.interval = 100ms;
  return o;
}

TEST_F(WatchTest, TenTimesASecondBesideFourWritersInThisProcess) {
  Store store = open();
  std::vector<cairn::Run> runs;
  for (int w = 0; w < kWriters; ++w) {
    runs.push_back(start(store, "w" + std::to_string(w)));
  }
  Watch watch = store.watch(at_10_hz());
  Saw saw;
  Writers writers(runs);
  const auto end = Clock::now() + writing_time();
  while (Clock::now() < end) {
    pollfd wanted{watch.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&wanted, 1, 10'000), 1);
    saw.take_all(watch);
  }
  writers.join();
  pollfd wanted{watch.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&wanted, 1, 200), 1) << "the descriptor is due in 100 ms at the latest";
  saw.take_all(watch);
  EXPECT_EQ(saw.n, writers.last);
  EXPECT_LE(saw.events, kWriters * (writing_time() / 100ms + 3)) << "coalesced: no more than ten a second of each run";
  EXPECT_GE(saw.events, 2 * kWriters);
}

TEST_F(WatchTest, TenTimesASecondBesideFourWritersOfAnotherProcess) {
  ChildProcess owner([&](ChildProcess& parent) {
    Store store = open();
    std::vector<cairn::Run> runs;
    for (int w = 0; w < kWriters; ++w) {
      runs.push_back(start(store, "w" + std::to_string(w)));
    }
    parent.go();
    {
      Writers writers(runs);
      std::this_thread::sleep_for(writing_time());
      writers.join();
      for (int w = 0; w < kWriters; ++w) {
        runs[static_cast<size_t>(w)].set("last", writers.last[static_cast<size_t>(w)]);
      }
    }
    parent.go();
    parent.wait();
    store.close();
  });
  owner.wait();
  Store reader = Store::open_read_only(directory_.store());
  Watch watch = reader.watch(at_10_hz());
  Saw saw;
  std::atomic<bool> done{false};
  std::thread waiter([&] {
    owner.wait();
    done = true;
  });
  while (!done) {
    // As all reading calls it may fail with kAgain, when the owner did not stand still for 100 ms.
    try {
      if (const auto event = watch.wait(50ms)) {
        saw.take(*event);
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kAgain) << error.what();
    }
  }
  waiter.join();
  saw.take_all(watch);  // the turn that may have begun before
  saw.take_all(watch);
  for (const RunInfo& info : reader.list()) {
    EXPECT_EQ(saw.version[static_cast<size_t>(info.id[1] - '0')], info.sequence) << "the last state";
  }
  EXPECT_GE(saw.events, 2 * kWriters);
  owner.go();
  owner.expect_success();
}

TEST_F(WatchTest, AReaderGoesOnAcrossRestartsOfTheOwner) {
  Store store = open();
  start(store, "a").set("n", 1);
  Store reader = Store::open_read_only(directory_.store());
  Watch watch = reader.watch();
  EXPECT_EQ(told(watch), "changed a@2");
  store.close();
  EXPECT_EQ(told(watch), "");
}

TEST_F(WatchTest, CallbacksComeFromTheStep) {
  Store store = open(false);
  cairn::Run run = start(store, "a");
  std::vector<std::string> calls;
  WatchOptions o;
  o.metadata = true;
  o.interval = 20ms;
  Watch watch = store.watch(o, [&](const WatchEvent& event) {
    calls.push_back(event.run + "@" + std::to_string(event.version) + " " + event.text);
    EXPECT_EQ(event.info->id, "a");
    EXPECT_TRUE(store.find("a").has_value()) << "it may use the store";
  });
  EXPECT_TRUE(calls.empty());
  store.step();
  EXPECT_EQ(calls, std::vector<std::string>{"a@1 {}"});
  run.set("n", 1).set("n", 2);
  std::this_thread::sleep_for(25ms);
  store.step();
  EXPECT_EQ(calls.back(), R"(a@3 {"n":2})");
  EXPECT_EQ(calls.size(), 2u);
  std::this_thread::sleep_for(25ms);
  store.step();
  EXPECT_EQ(calls.size(), 2u);
  EXPECT_THROW((void)watch.next(), Error) << "its events go to the callback";
  watch.close();
  run.set("n", 3);
  std::this_thread::sleep_for(25ms);
  store.step();
  EXPECT_EQ(calls.size(), 2u);
}

TEST_F(WatchTest, ACallbackComesInTimeFromTheBackgroundThread) {
  Store store = open();
  cairn::Run run = start(store, "a");
  std::atomic<uint64_t> version{0};
  WatchOptions o;
  o.interval = 20ms;
  const Watch watch = store.watch(o, [&](const WatchEvent& event) { version = event.version; });
  for (int round = 1; round <= 3; ++round) {
    run.set("n", round);
    const uint64_t wanted = run.info().sequence;
    const auto end = Clock::now() + 10s;
    while (version != wanted && Clock::now() < end) {
      std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(version, wanted);
    std::this_thread::sleep_for(300ms);  // flushed, and idle
  }
}

TEST_F(WatchTest, ACallbackThatThrowsIsCalledNoMore) {
  Store store = open(false);
  cairn::Run run = start(store, "a");
  int calls = 0;
  WatchOptions o;
  o.interval = 20ms;
  const Watch watch = store.watch(o, [&](const WatchEvent&) {
    ++calls;
    throw std::runtime_error("no");
  });
  for (int i = 0; i < 3; ++i) {
    run.set("n", i);
    std::this_thread::sleep_for(25ms);
    store.step();
  }
  EXPECT_EQ(calls, 1);
}

struct SelfClosing {
  cairn_watch* watch = nullptr;
  int calls = 0;
};

TEST_F(WatchTest, ACallbackMayCloseItsWatch) {
  Store store = open(false);
  cairn::Run run = start(store, "a");
  SelfClosing self;
  cairn_watch_options o = {};
  o.struct_bytes = sizeof o;
  o.context = &self;
  o.interval_ms = 20;
  o.changed = [](void* context, const cairn_watch_event*, const cairn_run_info*, const char* metadata,
                 size_t) -> int32_t {
    EXPECT_EQ(metadata, nullptr);
    auto* s = static_cast<SelfClosing*>(context);
    ++s->calls;
    EXPECT_EQ(cairn_watch_close(s->watch), CAIRN_OK);
    return 0;
  };
  CAIRN_ASSERT_OK(cairn_watch_open(store.handle(), nullptr, nullptr, &o, &self.watch));
  for (int i = 0; i < 3; ++i) {
    run.set("n", i);
    std::this_thread::sleep_for(25ms);
    store.step();
  }
  EXPECT_EQ(self.calls, 1);
}

TEST_F(WatchTest, TheDescriptorIsReadableWhenItIsTimeToAskAgain) {
  Store store = open(false);
  cairn::Run run = start(store, "a");
  Watch watch = store.watch({});
  const auto readable = [&watch](int ms) {
    pollfd wanted{watch.fd(), POLLIN, 0};
    return poll(&wanted, 1, ms) == 1;
  };
  EXPECT_TRUE(readable(5000)) << "there is a first event";
  EXPECT_EQ(told(watch), "changed a@1");
  EXPECT_FALSE(readable(0)) << "drained";
  run.set("n", 1);
  EXPECT_TRUE(readable(5000));
  EXPECT_TRUE(watch.next().has_value());
  EXPECT_TRUE(readable(0)) << "not drained";
  EXPECT_FALSE(watch.next().has_value());
  EXPECT_FALSE(readable(0));
}

TEST_F(WatchTest, WaitEndsWithAnEventOrInTime) {
  Store store = open(false);
  WatchOptions o;
  o.run = "a";
  o.interval = 20ms;
  Watch watch = store.watch(o);
  EXPECT_FALSE(watch.wait(50ms).has_value());
  std::thread later([&] {
    std::this_thread::sleep_for(30ms);
    start(store, "a");
  });
  const auto event = watch.wait(10s);
  later.join();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->run, "a");
}

class WatchCalls : public ApiTest {
 protected:
  static cairn_watch_options watch_options() {
    cairn_watch_options o = {};
    o.struct_bytes = sizeof o;
    return o;
  }
  void TearDown() override {
    CAIRN_EXPECT(CAIRN_OK, cairn_watch_close(watch_));
    ApiTest::TearDown();
  }
  cairn_watch* watch_ = nullptr;
};

TEST_F(WatchCalls, AnEventWhoseTextsDoNotFitIsHandedOutAgain) {
  start("a-run-with-a-name", "{\"n\":1}");
  cairn_watch_options o = watch_options();
  o.flags = CAIRN_WATCH_METADATA;
  CAIRN_ASSERT_OK(cairn_watch_open(store_, nullptr, nullptr, &o, &watch_));
  cairn_watch_event event = {};
  event.struct_bytes = sizeof event;
  cairn_run_info info = {};
  info.struct_bytes = sizeof info;
  char few[4];
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_TOO_LARGE, cairn_watch_next(watch_, &event, &info, few, sizeof few, &needed));
  CAIRN_EXPECT(CAIRN_TOO_LARGE, cairn_watch_next(watch_, &event, &info, nullptr, 0, &needed));
  std::vector<char> block(needed + 8);
  CAIRN_EXPECT(CAIRN_OK, cairn_watch_next(watch_, &event, &info, block.data(), block.size(), &needed));
  EXPECT_STREQ(event.run, "a-run-with-a-name");
  EXPECT_STREQ(info.id, "a-run-with-a-name");
  char text[32];
  CAIRN_EXPECT(CAIRN_OK, cairn_watch_current_json(watch_, text, sizeof text, &needed));
  EXPECT_STREQ(text, "{\"n\":1}");
  CAIRN_EXPECT(CAIRN_UNCHANGED, cairn_watch_next(watch_, &event, nullptr, nullptr, 0, nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "a-run-with-a-name"));
  CAIRN_EXPECT(CAIRN_OK, cairn_watch_next(watch_, &event, &info, nullptr, 0, &needed));
  EXPECT_EQ(event.kind, CAIRN_WATCH_ERASED);
  EXPECT_EQ(info.id, nullptr);
  CAIRN_EXPECT(CAIRN_NOT_FOUND, cairn_watch_current_json(watch_, text, sizeof text, &needed));
}

TEST_F(WatchCalls, WrongOptionsAreRefused) {
  cairn_watch_options o = watch_options();
  o.interval_ms = 19;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_watch_open(store_, nullptr, nullptr, &o, &watch_));
  o = watch_options();
  o.flags = 4;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_watch_open(store_, nullptr, nullptr, &o, &watch_));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_watch_open(store_, "", nullptr, nullptr, &watch_));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_watch_open(store_, nullptr, "token", nullptr, &watch_));
  CAIRN_ASSERT_OK(cairn_watch_open(store_, nullptr, nullptr, nullptr, &watch_));
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_watch_current_json(watch_, nullptr, 0, &needed));
}

TEST_F(WatchCalls, ACallbackInAStoreThatIsOnlyReadIsRefused) {
  cairn_options read_only = options();
  read_only.flags = CAIRN_OPEN_READ_ONLY;
  cairn_store* reader = nullptr;
  CAIRN_ASSERT_OK(cairn_store_open(path().c_str(), &read_only, &reader));
  cairn_watch_options o = watch_options();
  o.changed = [](void*, const cairn_watch_event*, const cairn_run_info*, const char*, size_t) -> int32_t { return 0; };
  CAIRN_EXPECT(CAIRN_READ_ONLY, cairn_watch_open(reader, nullptr, nullptr, &o, &watch_));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(reader, -1));
}

TEST_F(WatchCalls, AWatchOutlivesItsStoreAndSaysSo) {
  CAIRN_ASSERT_OK(cairn_watch_open(store_, nullptr, nullptr, nullptr, &watch_));
  int fd = -1;
  CAIRN_ASSERT_OK(cairn_watch_fd(watch_, &fd));
  close();
  cairn_watch_event event = {};
  event.struct_bytes = sizeof event;
  CAIRN_EXPECT(CAIRN_CLOSED, cairn_watch_next(watch_, &event, nullptr, nullptr, 0, nullptr));
  CAIRN_EXPECT(CAIRN_CLOSED, cairn_watch_fd(watch_, &fd));
}

TEST_F(WatchCalls, TheHistoryIsOfTheRunsNumbers) {
  start("r", "{\"n\":1}");
  const auto visit = [](void* context, int64_t time_us, double value) -> int32_t {
    EXPECT_GT(time_us, 0);
    static_cast<std::vector<double>*>(context)->push_back(value);
    return 0;
  };
  std::vector<double> values;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_history(run_, "n", 1, visit, &values));
  close_run();
  close();
  cairn_options o = options();
  o.history_interval_ms = 1;
  open(o);
  CAIRN_ASSERT_OK(cairn_run_open(store_, "r", &run_));
  for (int i = 2; i <= 4; ++i) {
    CAIRN_EXPECT(CAIRN_OK, set("n", i));
    std::this_thread::sleep_for(2ms);
    CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  }
  CAIRN_EXPECT(CAIRN_OK, cairn_run_history(run_, "n", 1, visit, &values));
  EXPECT_EQ(values, (std::vector<double>{2, 3, 4}));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "r"));
  CAIRN_EXPECT(CAIRN_ERASED, cairn_run_history(run_, "n", 1, visit, &values));
}

TEST_F(WatchTest, TheHistoryInCpp) {
  Options options;
  options.background = false;
  options.history_interval_ms = 1;
  Store store = Store::open(directory_.store(), options);
  cairn::Run run = start(store, "a");
  run.set("progress", 0.5);
  std::this_thread::sleep_for(2ms);
  store.step();
  const auto points = run.history("progress");
  ASSERT_EQ(points.size(), 1u);
  EXPECT_EQ(points[0].value, 0.5);
  EXPECT_LT(std::chrono::abs(points[0].time - std::chrono::system_clock::now()), 60s);
}

}  // namespace
}  // namespace cairn::tests
