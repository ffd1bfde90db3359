// Runs that came in leave memory when the tables have them, and no run is there twice while they do.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Resident : public SyncTest {
 protected:
  static uint64_t hot(Site& s) { return s.store().stats().runs_hot; }
  /// As `cairn serve` does, when it is due.
  static void step_if_due(Site& s) {
    for (int i = 0; i < 10 && s.store().next_deadline() <= s.clock().monotonic_ms; ++i) {
      ASSERT_TRUE(s.store().step(0).ok()) << engine::error_detail().message;
    }
  }
  Site& large_segments(const std::string& name) {
    Site& s = site(name);
    s.segment_bytes = 16u << 20;  // no checkpoint comes because the log has grown
    s.open();
    return s;
  }
};

TEST_F(Resident, ThousandsOfRunsThatComeInDoNotStayInMemory) {
  constexpr int kRuns = 20'000;
  constexpr uint64_t kMost = 10'000;
  Site& receiver = large_segments("receiver");
  uint64_t most = 0;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kRuns; ++i) {
      const std::string id = "run-" + std::to_string(i);
      if (round == 0) {
        worker.start(id, R"({"n":0})");
      } else {
        worker.apply(id, OperationType::kIncrement, "n", "1");
      }
    }
    ASSERT_TRUE(worker.store().upstream().control(engine::Upstream::Control::kHurry).ok());
    for (std::string message = worker.next(); !message.empty(); message = worker.next()) {
      worker.feed(receiver.receiver().handle(message));
      ASSERT_TRUE(worker.store().upstream().control(engine::Upstream::Control::kHurry).ok());
      step_if_due(receiver);
      most = std::max(most, hot(receiver));
    }
    ASSERT_TRUE(receiver.store().checkpoint().ok());
    EXPECT_EQ(hot(receiver), 0U) << "nobody holds one";
  }
  EXPECT_LT(most, kMost);
  EXPECT_EQ(receiver.all(), worker.all());
  EXPECT_EQ(receiver.state("run-7"), R"({"n":1})");
}

TEST_F(Resident, AHandleKeepsItsRun) {
  Site& receiver = large_segments("receiver");
  worker.start("held", R"({"n":0})");
  worker.start("other", R"({"n":0})");
  worker.sync_with(receiver);
  const engine::RunRef held = receiver.run("held");
  ASSERT_TRUE(receiver.store().checkpoint().ok());
  EXPECT_EQ(hot(receiver), 1U);
  worker.apply("held", OperationType::kIncrement, "n", "1");
  worker.sync_with(receiver);
  EXPECT_EQ(receiver.store().view(*held).record.document.to_json(), R"({"n":1})") << "the same run";
}

// A second copy of a run in memory would lose what one of them counts.
TEST_F(Resident, NoRunIsInMemoryTwiceWhileBatchesCheckpointsAndUpdatesRace) {
  constexpr int kRuns = 40;
  constexpr int kRounds = 60;
  Site& receiver = large_segments("receiver");
  std::vector<std::string> ids;
  for (int i = 0; i < kRuns; ++i) {
    ids.push_back("run-" + std::to_string(i));
    worker.start(ids.back(), R"({"n":0})");
  }
  std::atomic<bool> ends{false};
  std::vector<std::thread> threads;
  std::vector<std::vector<int64_t>> counted(2, std::vector<int64_t>(kRuns));
  for (std::vector<int64_t>& mine : counted) {
    threads.emplace_back([&] {
      while (!ends) {
        for (size_t i = 0; i < kRuns; ++i) {
          auto run = receiver.store().find(ids[i]);
          if (run.ok()) {
            const Status s = update(receiver.store(), **run, OperationType::kIncrement, "here", Value(int64_t{1}));
            ASSERT_TRUE(s.worked()) << said(s);
            ++mine[i];
          }
          std::this_thread::sleep_for(std::chrono::microseconds(50));  // else something is pending of all runs, always
        }
      }
    });
  }
  threads.emplace_back([&] {
    while (!ends) {
      ASSERT_TRUE(receiver.store().barrier().ok());
      ASSERT_TRUE(receiver.store().checkpoint().ok());
    }
  });
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    for (const std::string& id : ids) {
      worker.apply(id, OperationType::kIncrement, "n", "1");
    }
    worker.sync_with(receiver);
  }
  ends = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const bool again : {false, true}) {
    if (again) {
      receiver.reopen();
    }
    for (size_t i = 0; i < kRuns; ++i) {
      const int64_t here = counted[0][i] + counted[1][i];
      auto view = receiver.store().peek(ids[i], true);
      ASSERT_TRUE(view.ok() && *view);
      const engine::Document& document = (*view)->record.document;
      const int n = document.find("n");
      const int local = document.find("here");
      ASSERT_TRUE(n >= 0 && local >= 0) << document.to_json();
      EXPECT_EQ(engine::to_json(document.member(n).value), std::to_string(kRounds)) << ids[i];
      EXPECT_EQ(engine::to_json(document.member(local).value), std::to_string(here)) << ids[i];
    }
  }
  EXPECT_EQ(worker.dead(), std::vector<std::string>{});
}

}  // namespace
}  // namespace cairn::tests
