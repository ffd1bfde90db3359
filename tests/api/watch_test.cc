// Watches through the public API: beside writers at full speed in this process and in another, by call, by callback and
// by descriptor; and the history.
#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cairn/cairn.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
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

/// Four threads, each with a run of its own, at full speed while a burst lasts. Both sides may be in different
/// processes, on memory that they share.
struct Bursts {
  static constexpr int kCount = 5;

  // The watcher says which burst has begun and which has ended.
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  // The writers say, at the end of each, what the last value was that they got an answer for, and when.
  std::atomic<int> at_rest{0};
  std::array<std::atomic<int64_t>, kWriters> last{};
  std::array<std::atomic<int64_t>, kWriters> answered_ns{};

  static int64_t now_ns() { return Clock::now().time_since_epoch().count(); }  // one clock for all processes

  void write(Run& run, size_t writer) {
    int64_t n = 0;
    for (int burst = 1; burst <= kCount; ++burst) {
      while (begun < burst) {
        std::this_thread::sleep_for(1ms);
      }
      while (ended < burst) {
        run.set("n", ++n);
      }
      answered_ns[writer] = now_ns();
      last[writer] = n;
      ++at_rest;
    }
  }
};

/// The four writers. Ends them, also after a test that failed midway.
class Writers {
 public:
  Writers(Store& store, Bursts& bursts) : bursts_(bursts) {
    for (size_t w = 0; w < kWriters; ++w) {
      Start start;
      start.id = "w" + std::to_string(w);
      threads_.emplace_back([&bursts, w, run = std::make_shared<Run>(store.start(start))] { bursts.write(*run, w); });
    }
  }
  ~Writers() {
    bursts_.begun = bursts_.ended = Bursts::kCount;
    join();
  }
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;
  void join() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  Bursts& bursts_;
  std::vector<std::thread> threads_;
};

/// Watches the writers at 10 Hz by the descriptor, and measures how old their last value is when it is seen.
class TenHertzWatcher {
 public:
  TenHertzWatcher(Store& store, Bursts& bursts) : bursts_(bursts), watch_(store.watch(at_10_hz())) {}

  void watch(const char* of) {
    std::vector<int64_t> lags_ms;
    for (int burst = 1; burst <= Bursts::kCount; ++burst) {
      bursts_.begun = burst;
      const auto end = Clock::now() + writing_time() / Bursts::kCount;
      while (Clock::now() < end) {
        ASSERT_NO_FATAL_FAILURE(take_turn());
      }
      bursts_.ended = burst;  // right behind a turn: this is when it takes longest to the next
      const auto given_up = Clock::now() + 10s;
      while (!saw_the_last(burst)) {
        ASSERT_LT(Clock::now(), given_up) << "the last values of burst " << burst << " are never told";
        ASSERT_NO_FATAL_FAILURE(take_turn());
      }
      lags_ms.push_back(lag_ms());
    }
    std::string text;
    for (const int64_t lag : lags_ms) {
      text += " " + std::to_string(lag);
    }
    printf("watch: %s: %d events of %d writers in %d ms, %d looks again; last values seen after%s ms\n", of, events_,
           kWriters, static_cast<int>(writing_time() / 1ms), again_, text.c_str());
    // Another process may keep one burst's watcher from the processor, not most of them.
    std::nth_element(lags_ms.begin(), lags_ms.begin() + Bursts::kCount / 2, lags_ms.end());
    EXPECT_LE(lags_ms[Bursts::kCount / 2], 200) << "ms until the last value is seen, the median of" << text;
    EXPECT_LE(events_, kWriters * (writing_time() / 100ms + 3 * Bursts::kCount)) << "coalesced: ten a second of each";
    EXPECT_GE(events_, 2 * kWriters);
  }
  [[nodiscard]] uint64_t version(size_t writer) const { return seen_[writer].version; }

 private:
  struct Seen {
    uint64_t version = 0;
    int64_t n = 0;
    int64_t at_ns = 0;
  };

  static WatchOptions at_10_hz() {
    WatchOptions o;
    o.metadata = true;
    o.interval = 100ms;
    return o;
  }
  void take_turn() {
    pollfd wanted{watch_.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&wanted, 1, 10'000), 1);
    // As all reading calls it may fail with kAgain, when the owner did not stand still for 100 ms.
    try {
      for (const WatchEvent& event : watch_) {
        take(event);
      }
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), Code::kAgain) << error.what();
      ++again_;
    }
  }
  void take(const WatchEvent& event) {
    Seen& seen = seen_.at(static_cast<size_t>(event.run.at(1) - '0'));
    EXPECT_GT(event.version, seen.version) << "strictly rising";
    const int64_t n = event.metadata().value("n", int64_t{0});
    EXPECT_GE(n, seen.n);
    seen = {event.version, n, Bursts::now_ns()};
    ++events_;
  }
  [[nodiscard]] bool saw_the_last(int burst) const {
    bool all = bursts_.at_rest == burst * kWriters;
    for (size_t w = 0; w < kWriters; ++w) {
      all = all && seen_[w].n == bursts_.last[w];
    }
    return all;
  }
  [[nodiscard]] int64_t lag_ms() const {
    int64_t worst = 0;
    for (size_t w = 0; w < kWriters; ++w) {
      worst = std::max(worst, (seen_[w].at_ns - bursts_.answered_ns[w]) / 1'000'000);
    }
    return worst;
  }

  Bursts& bursts_;
  Watch watch_;
  std::array<Seen, kWriters> seen_;
  int events_ = 0;
  int again_ = 0;
};

TEST_F(WatchTest, TenTimesASecondBesideFourWritersInThisProcess) {
  Store store = open();
  Bursts bursts;
  Writers writers(store, bursts);
  TenHertzWatcher watcher(store, bursts);
  watcher.watch("in the owner");
}

TEST_F(WatchTest, TenTimesASecondBesideFourWritersOfAnotherProcess) {
  void* shared = mmap(nullptr, sizeof(Bursts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  Bursts& bursts = *new (shared) Bursts();
  ChildProcess owner([&](ChildProcess& parent) {
    Store store = open();
    Writers writers(store, bursts);
    parent.go();
    writers.join();
    parent.wait();
    store.close();
  });
  owner.wait();
  Store reader = Store::open_read_only(directory_.store());
  TenHertzWatcher watcher(reader, bursts);
  ASSERT_NO_FATAL_FAILURE(watcher.watch("in another process"));
  for (const RunInfo& info : reader.list()) {
    EXPECT_EQ(watcher.version(static_cast<size_t>(info.id[1] - '0')), info.sequence) << "the last state";
  }
  owner.go();
  owner.expect_success();
  munmap(shared, sizeof(Bursts));
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
