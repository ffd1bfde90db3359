// Many threads on one store, through the public API. What each of them does is fixed, so what is there at the end is
// known whatever the order was; the rest is for ThreadSanitizer to see.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cairn/cairn.hpp>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/api_fixture.h"
#include "tests/support/scale.h"

namespace cairn::tests {
namespace {

constexpr int kWriters = 8;
constexpr int kReaders = 8;
constexpr int kShared = 4;

/// CAIRN_TEST_SCALE divides it, for slow checkers. A multiple of 1,000, so that each kind of update is among the last.
int64_t steps() { return std::max(2, 20 / testing::test_scale()) * int64_t{1000}; }

/// Threads whose exceptions are failures of the test.
class Crew {
 public:
  void add(std::function<void()> work) {
    threads_.emplace_back([work = std::move(work)] {
      try {
        work();
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    });
  }
  void join() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

std::string numbered(const char* name, int64_t number) { return name + std::to_string(number); }

Run start(Store& store, const std::string& id) {
  Start start;
  start.id = id;
  return store.start(start);
}

std::map<std::string, std::string> texts(Store& store) {
  std::map<std::string, std::string> all;
  for (const RunInfo& info : store.list()) {
    all[info.id] = store.find(info.id)->text();
  }
  return all;
}

class Threads : public ::testing::Test {
 protected:
  [[nodiscard]] Store open() const {
    Options options;
    options.background = false;
    options.flush_interval_ms = 1;
    options.segment_bytes = 256u << 10;
    return Store::open(directory_.store(), options);
  }
  Directory directory_;
};

struct Shared {
  Store& store;
  std::vector<Run> runs;
  std::vector<Run> own;
  std::atomic<int64_t> contended_wins{0};
  std::atomic<bool> done{false};
};

// A run that lives as long as one step of its writer.
void live_and_end(Shared& shared, int writer, int64_t i) {
  Start start;
  start.id = numbered("short", writer) + numbered("-", i);
  start.metadata = {{"i", i}};
  Run run = shared.store.start(start);
  run.increment("i").set_tags({"short"});
  if (i % 400 == 0) {
    shared.store.erase(start.id);
    EXPECT_EQ(run.try_set("i", 0).code, Code::kErased);
  } else {
    run.finish(RunStatus::kFailed);
    EXPECT_EQ(run.try_set("i", 0).code, Code::kFinished);
  }
}

void write(Shared& shared, int writer) {
  Run& own = shared.own[static_cast<size_t>(writer)];
  Cell<double> progress = own.bind<double>("progress");
  const int64_t count = steps();
  for (int64_t i = 1; i <= count; ++i) {
    own.set("step", i);
    progress.set(static_cast<double>(i) / static_cast<double>(count));
    Run& first = shared.runs[static_cast<size_t>(i % kShared)];
    Run& second = shared.runs[static_cast<size_t>((i + 1) % kShared)];
    first.increment("n");
    if (i % 10 == 0) {
      shared.store.transact([&](Transaction& t) { t.increment(first, "t").increment(second, "t"); });
    }
    if (i % 25 == 0) {
      own.set("text", std::string(static_cast<size_t>(i % 700), 'x'));
    }
    if (i % 100 == 0) {
      own.append("log", i);
      const uint64_t epoch = shared.store.epoch();
      shared.store.wait_durable(epoch);
      EXPECT_GE(shared.store.durable_epoch(), epoch);
    }
    if (i % 200 == 0) {
      live_and_end(shared, writer, i);
    }
    if (i % 500 == 0) {
      own.with(Durability::kPower).set("safe", i);
      shared.store.barrier();
    }
    if (i % 1000 == 0) {
      own.del("log");
      Start contended;
      contended.id = numbered("contended", i);
      const Result<Run> started = shared.store.try_start(contended);
      shared.contended_wins += started.ok() ? 1 : 0;
      EXPECT_TRUE(started.ok() || started.code() == Code::kRunning);
    }
  }
}

void read(Shared& shared, int reader) {
  std::vector<int64_t> seen(kShared + kWriters, 0);
  std::vector<uint64_t> sequences(kShared + kWriters, 0);
  for (int64_t round = reader; !shared.done.load(); ++round) {
    for (size_t i = 0; i < seen.size(); ++i) {
      const Run& run = i < kShared ? shared.runs[i] : shared.own[i - kShared];
      const int64_t now = run.get<int64_t>(i < kShared ? "n" : "step").value_or(0);
      EXPECT_GE(now, seen[i]);
      seen[i] = now;
      const uint64_t sequence = run.info().sequence;
      EXPECT_GE(sequence, sequences[i]);
      sequences[i] = sequence;
    }
    const json whole = shared.own[static_cast<size_t>(round % kWriters)].get();
    EXPECT_TRUE(whole.is_object());
    if (round % 16 == 0) {
      EXPECT_GE(shared.store.list().size(), static_cast<size_t>(kShared + kWriters));
      EXPECT_TRUE(shared.store.find(numbered("shared", round % kShared)).has_value());
      (void)shared.store.find(numbered("short", round % kWriters) + "-400");
      EXPECT_GE(shared.store.stats().written_lsn, 1u);
    }
  }
}

void keep_up(Shared& shared) {
  while (!shared.done.load()) {
    shared.store.step();
    shared.store.barrier();
    shared.store.checkpoint();
    (void)shared.store.next_deadline();
    EXPECT_GE(shared.store.wait_fd(), 0);
    std::this_thread::yield();
  }
}

TEST_F(Threads, WritersReadersAndTheStepLeaveExactlyWhatWasWritten) {
  std::map<std::string, std::string> expected;
  {
    Store store = open();
    Shared shared{store, {}, {}, {}, {}};
    for (int s = 0; s < kShared; ++s) {
      shared.runs.push_back(start(store, numbered("shared", s)));
    }
    for (int w = 0; w < kWriters; ++w) {
      shared.own.push_back(start(store, numbered("own", w)));
    }
    Crew writers;
    Crew others;
    for (int r = 0; r < kReaders; ++r) {
      others.add([&shared, r] { read(shared, r); });
    }
    others.add([&shared] { keep_up(shared); });
    for (int w = 0; w < kWriters; ++w) {
      writers.add([&shared, w] { write(shared, w); });
    }
    writers.join();
    shared.done = true;
    others.join();

    const int64_t count = steps();
    EXPECT_EQ(shared.contended_wins.load(), count / 1000);
    for (int w = 0; w < kWriters; ++w) {
      expected[numbered("own", w)] = R"({"step":)" + std::to_string(count) + R"(,"progress":1,"text":")" +
                                     std::string(static_cast<size_t>(count % 700), 'x') + R"(","safe":)" +
                                     std::to_string(count) + "}";
      for (int64_t i = 200; i <= count; i += 400) {
        expected[numbered("short", w) + numbered("-", i)] = R"({"i":)" + std::to_string(i + 1) + "}";
      }
    }
    for (int s = 0; s < kShared; ++s) {
      int64_t n = 0;
      int64_t t = 0;
      for (int64_t i = 1; i <= count; ++i) {
        n += i % kShared == s ? 1 : 0;
        t += i % 10 == 0 && (i % kShared == s || (i + 1) % kShared == s) ? 1 : 0;
      }
      expected[numbered("shared", s)] =
          R"({"n":)" + std::to_string(n * kWriters) + R"(,"t":)" + std::to_string(t * kWriters) + "}";
    }
    for (int64_t i = 1000; i <= count; i += 1000) {
      expected[numbered("contended", i)] = "{}";
    }
    EXPECT_EQ(texts(store), expected);
    shared.runs.clear();
    shared.own.clear();
    store.close();
  }
  Store store = open();
  EXPECT_EQ(texts(store), expected);
  EXPECT_EQ(store.find("short0-200")->info().status, RunStatus::kFailed);
}

TEST_F(Threads, AStoreThatIsClosedUnderItsWritersKeepsWhatWasAcknowledged) {
  std::atomic<int64_t> acknowledged{0};
  {
    Store store = open();
    auto shared = start(store, "shared");
    Crew writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.add([&acknowledged, &shared] {
        while (true) {
          const Status status = shared.try_increment("n");
          if (!status.ok()) {
            EXPECT_EQ(status.code, Code::kClosed);
            return;
          }
          ++acknowledged;
        }
      });
    }
    while (acknowledged.load() < 1000) {
      std::this_thread::yield();
    }
    store.close();
    writers.join();
  }
  Store store = open();
  EXPECT_EQ(store.find("shared")->get<int64_t>("n"), acknowledged.load());
}

}  // namespace
}  // namespace cairn::tests
