// What subscriptions cost, counted: looks, rows, answers, and threads.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "tests/server/realtime_fixture.h"

namespace cairn::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

size_t threads_of_this_process() {
  std::ifstream in("/proc/self/status");
  std::string word;
  size_t count = 0;
  while (in >> word) {
    if (word == "Threads:") {
      in >> count;
    }
  }
  return count;
}

class RealtimeCost : public Realtime {
 protected:
  /// `count` clients that wait for what `path` follows.
  std::vector<std::unique_ptr<ShapeClient>> waiting(const RealtimeServer& server, const std::string& path,
                                                    size_t count) {
    std::vector<std::unique_ptr<ShapeClient>> out;
    for (size_t i = 0; i < count; ++i) {
      out.push_back(std::make_unique<ShapeClient>(server.address, path));
      out.back()->step();
    }
    for (const auto& client : out) {
      client->send();
    }
    return out;
  }
};

TEST_P(RealtimeCost, OneLookServesAThousandWhoWait) {
  constexpr size_t kClients = 1500;
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < 2 * kClients + 200) {
    GTEST_SKIP() << "needs " << 2 * kClients + 200 << " descriptors";
  }
  const rlimit raised = {limit.rlim_max, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &raised), 0);
  RealtimeServer server(*tested_, {.ask_ms = 600'000});
  const std::string id = trigger({"a"});
  const size_t threads = threads_of_this_process();
  auto clients = waiting(server, of_run(id), kClients / 2);
  for (auto& client : waiting(server, "/realtime/v1/runs?tags=a", kClients - kClients / 2)) {
    clients.push_back(std::move(client));
  }
  ASSERT_TRUE(server.wait_waiting(kClients));
  EXPECT_EQ(threads_of_this_process(), threads);
  std::this_thread::sleep_for(milliseconds(200));  // each may be answered, and no look is under way
  const size_t checks = server.storage.checks;
  for (int n = 1; n <= 3; ++n) {
    const size_t looks = server.storage.looks;
    const size_t rows = server.storage.look_rows;
    increment(id);
    for (const auto& client : clients) {
      client->receive();
      ASSERT_EQ(client->column(id, "metadata"), "{\"n\":" + std::to_string(n) + "}");
    }
    EXPECT_EQ(server.storage.looks - looks, 1u);
    EXPECT_EQ(server.storage.look_rows - rows, 1u);
    for (const auto& client : clients) {
      client->send();
    }
    ASSERT_TRUE(server.wait_waiting(kClients));
    std::this_thread::sleep_for(milliseconds(150));
  }
  EXPECT_EQ(server.storage.checks, checks) << "who comes back at once asks the storage nothing";
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_P(RealtimeCost, ALookVisitsOnlyWhatChanged) {
  RealtimeServer server(*tested_, {.ask_ms = 600'000});
  for (int i = 0; i < 2000; ++i) {
    trigger({"a"});
  }
  const std::string id = trigger({"a"});
  auto clients = waiting(server, "/realtime/v1/runs?tags=a", 3);
  ASSERT_TRUE(server.wait_waiting(3));
  std::this_thread::sleep_for(milliseconds(200));
  const size_t rows = server.storage.look_rows;
  increment(id);
  for (const auto& client : clients) {
    client->receive();
    EXPECT_EQ(client->emitted().size(), 1u);
  }
  EXPECT_EQ(server.storage.look_rows - rows, 1u);
}

// Retention ends many runs at once: those whom they do not concern wait on, and one look tells of them.
TEST_P(RealtimeCost, RunsThatAreErasedCostALookAndNoVisitOfOthers) {
  RealtimeServer server(*tested_, {.look_ms = 300, .ask_ms = 600'000});
  std::vector<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    ids.push_back(trigger());
  }
  const std::string id = trigger({"a"});
  auto clients = waiting(server, of_run(id), 5);
  ASSERT_TRUE(server.wait_waiting(5));
  std::this_thread::sleep_for(milliseconds(400));
  const size_t looks = server.storage.looks;
  const size_t rows = server.storage.look_rows;
  const size_t checks = server.storage.checks + server.storage.finds;
  for (const std::string& other : ids) {
    tested_->erase(other);
  }
  std::this_thread::sleep_for(milliseconds(700));
  EXPECT_GE(server.storage.looks - looks, 1u);
  EXPECT_LE(server.storage.looks - looks, 4u);
  EXPECT_EQ(server.storage.look_rows, rows);
  EXPECT_EQ(server.storage.checks + server.storage.finds, checks);
  EXPECT_EQ(server.subscriptions->counters().waiting, 5u);
}

TEST_P(RealtimeCost, NobodyWhoWaitsIsNoLook) {
  RealtimeServer server(*tested_);
  const std::string id = trigger();
  for (int i = 0; i < 20; ++i) {
    increment(id);
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(server.storage.looks, 0u);
  EXPECT_EQ(server.subscriptions->counters().looks, 0u);
}

TEST_P(RealtimeCost, AtMostTwentyLooksASecondHoweverMuchChanges) {
  RealtimeServer server(*tested_);
  const std::string id = trigger();
  const std::string other = trigger();
  ShapeClient client(server.address, of_run(other));
  client.step();
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  const size_t looks = server.subscriptions->counters().looks;
  const auto until = steady_clock::now() + milliseconds(1000);
  size_t changes = 0;
  for (; steady_clock::now() < until; ++changes) {
    increment(id);
  }
  const size_t made = server.subscriptions->counters().looks - looks;
  EXPECT_LE(made, 21u);
  EXPECT_GE(made, 5u);
  EXPECT_GT(changes, 100u);
  EXPECT_EQ(server.subscriptions->counters().waiting, 1u) << "nothing of it is for this one";
  increment(other);
  client.receive();
  EXPECT_EQ(client.column(other, "metadata"), R"({"n":1})");
}

TEST_P(RealtimeCost, ASubscriptionGetsAtMostTenAnswersASecond) {
  RealtimeServer server(*tested_);
  const std::string id = trigger({"a"});
  std::atomic<bool> over{false};
  std::thread writer([&] {
    while (!over) {
      increment(id);
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  for (const std::string& path : {of_run(id), std::string("/realtime/v1/runs?tags=a")}) {
    ShapeClient client(server.address, path);
    std::vector<steady_clock::time_point> answers;
    client.step();
    answers.push_back(steady_clock::now());
    while (answers.size() < 16) {
      ASSERT_TRUE(client.step_until_rows());
      answers.push_back(steady_clock::now());
    }
    for (size_t i = 0; i + 10 < answers.size(); ++i) {
      EXPECT_GE(answers[i + 10] - answers[i], milliseconds(990)) << path << " " << i;
    }
    EXPECT_LE(answers.back() - answers.front(), milliseconds(6000)) << "and not many fewer";
  }
  over = true;
  writer.join();
}

// It waits for no turn of the looks: those are far apart here, and the last one is long past.
TEST_P(RealtimeCost, AChangeThatComesAloneIsToldAtOnce) {
  RealtimeServer server(*tested_, {.look_ms = 2000, .ask_ms = 600'000});
  const std::string id = trigger();
  ShapeClient client(server.address, of_run(id));
  client.step();
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  std::this_thread::sleep_for(milliseconds(2100));
  const auto from = steady_clock::now();
  increment(id);
  client.receive();
  EXPECT_EQ(client.column(id, "metadata"), R"({"n":1})");
  EXPECT_LT(steady_clock::now() - from, milliseconds(1000));
}

TEST_P(RealtimeCost, ThoseWhoWentAwayAreForgotten) {
  RealtimeServer server(*tested_);
  const std::string id = trigger();
  auto clients = waiting(server, of_run(id), 10);
  ASSERT_TRUE(server.wait_waiting(10));
  clients.resize(3);
  EXPECT_TRUE(server.wait_waiting(3));
}

CAIRN_ON_EACH_STORAGE(RealtimeCost);

}  // namespace
}  // namespace cairn::tests
