// Subscriptions when something goes wrong, or changes while they ask: nothing is missed, doubled or reset without need.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "tests/server/realtime_fixture.h"

namespace cairn::tests {
namespace {

using std::chrono::milliseconds;

constexpr const char* kNothingNew = R"([{"headers":{"control":"up-to-date"}}])";

class RealtimeTrouble : public Realtime {};

TEST_P(RealtimeTrouble, AStopAnswersAllWhoWaitInFull) {
  auto server = std::make_unique<RealtimeServer>(*tested_);
  const std::string id = trigger({"a"});
  std::vector<std::unique_ptr<ShapeClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<ShapeClient>(server->address, i % 2 == 0 ? of_run(id) : "/realtime/v1/runs"));
    clients.back()->step();
    clients.back()->send();
  }
  ASSERT_TRUE(server->wait_waiting(40));
  server->server->stop(5000);
  for (const auto& client : clients) {
    const std::string offset = client->offset();
    const Reply reply = client->receive();
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.body, kNothingNew);
    EXPECT_EQ(client->offset(), offset);
    EXPECT_EQ(client->ended(), "");
  }
  EXPECT_EQ(server->server->counters().failed_handlers, 0u);
}

TEST_P(RealtimeTrouble, WhoComesWhileItStopsDoesNotWait) {
  RealtimeServer server(*tested_);
  const std::string id = trigger();
  ShapeClient client(server.address, of_run(id));
  client.step();
  server.subscriptions->let_go();
  EXPECT_EQ(client.step().body, kNothingNew);
  EXPECT_EQ(server.subscriptions->counters().waiting, 0u);
}

TEST_P(RealtimeTrouble, AStorageInTroubleIs503UntilItRecovers) {
  const RealtimeServer server(*tested_, {.live_ms = 300, .ask_ms = 50, .answer_ms = 0});
  const std::string id = trigger({"a"});
  ShapeClient waits(server.address, of_run(id));
  ShapeClient of_tag(server.address, "/realtime/v1/runs?tags=a");
  waits.step();
  of_tag.step();
  waits.send();
  ASSERT_TRUE(server.wait_waiting(1));
  tested_->set_trouble(Status(Code::kIo, "the disk does not answer"));
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(server.subscriptions->counters().waiting, 1u) << "who waits goes on waiting";
  EXPECT_EQ(waits.receive().status, 503u) << "until its time is up";
  for (const std::string& target : {of_run(id) + "?offset=-1", std::string("/realtime/v1/runs?offset=-1"),
                                    std::string("/realtime/v1/batches/b?offset=-1")}) {
    const Reply reply = ask(server.address, target);
    EXPECT_EQ(reply.status, 503u);
    EXPECT_EQ(reply.body, R"({"error":"the storage of runs cannot do this now: the disk does not answer"})");
  }
  EXPECT_EQ(of_tag.step().status, 503u) << "a live request";
  tested_->set_trouble({});
  increment(id);
  ASSERT_TRUE(waits.step_until_rows());
  ASSERT_TRUE(of_tag.step_until_rows());
  EXPECT_EQ(waits.column(id, "metadata"), R"({"n":1})");
  EXPECT_EQ(of_tag.column(id, "metadata"), R"({"n":1})");
  EXPECT_EQ(waits.resets() + of_tag.resets(), 0u);
  EXPECT_EQ(waits.retries(), 1u);
}

TEST_P(RealtimeTrouble, WhoWaitsThroughATroubleMissesNothing) {
  const RealtimeServer server(*tested_, {.ask_ms = 50, .answer_ms = 0});
  const std::string id = trigger();
  ShapeClient client(server.address, of_run(id));
  client.step();
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  increment(id);
  client.receive();
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  tested_->set_trouble(Status(Code::kBusy, "busy"));
  std::this_thread::sleep_for(milliseconds(200));
  tested_->set_trouble({});
  increment(id);
  EXPECT_EQ(client.receive().status, 200u);
  EXPECT_EQ(client.column(id, "metadata"), R"({"n":2})");
}

TEST_P(RealtimeTrouble, AChangeBetweenTheCheckAndTheWaitIsNotMissed) {
  const std::string id = trigger({"a"});
  for (const std::string& path : {of_run(id), std::string("/realtime/v1/runs?tags=a")}) {
    RealtimeServer server(*tested_, {.ask_ms = 600'000});
    ShapeClient client(server.address, path);
    client.step();
    const std::string before = client.column(id, "metadata");
    trigger({"b"});  // the looks begin after what the client has
    ShapeClient other(server.address, "/realtime/v1/runs?tags=b");
    other.step();
    other.send();
    ASSERT_TRUE(server.wait_waiting(1));
    std::this_thread::sleep_for(milliseconds(150));
    std::atomic<bool> checked{false};
    server.storage.after_check = [&] {
      const size_t rows = server.storage.look_rows;
      increment(id);
      EXPECT_TRUE(wait_for([&] { return server.storage.look_rows > rows; }));
      std::this_thread::sleep_for(milliseconds(20));  // the look has told all who wait
      checked = true;
    };
    client.send();
    ASSERT_TRUE(wait_for([&] { return checked.load(); })) << path;
    client.receive();
    EXPECT_NE(client.column(id, "metadata"), before) << path;
  }
}

// The client is told that nothing is new, and learns by its next request that the run is gone.
TEST_P(RealtimeTrouble, WhoWaitsForARunThatIsErasedIsAnswered) {
  RealtimeServer server(*tested_, {.live_ms = 600'000, .ask_ms = 600'000, .answer_ms = 0});
  const std::string id = trigger({"a"});
  ShapeClient client(server.address, of_run(id));
  ShapeClient of_tag(server.address, "/realtime/v1/runs?tags=a");
  for (ShapeClient* one : {&client, &of_tag}) {
    one->step();
    one->send();
  }
  ASSERT_TRUE(server.wait_waiting(2));
  increment(id);  // the room knows the run
  client.receive();
  of_tag.receive();
  client.send();
  of_tag.send();
  ASSERT_TRUE(server.wait_waiting(2));
  const size_t checks = server.storage.checks;
  tested_->erase(id);
  EXPECT_EQ(client.receive().body, kNothingNew);
  EXPECT_EQ(server.storage.checks, checks) << "runs of those who wait are not looked at";
  const Reply gone = client.step();
  EXPECT_EQ(gone.status, 404u);
  EXPECT_EQ(gone.headers.at("x-should-retry"), "false");
  EXPECT_EQ(server.subscriptions->counters().waiting, 1u) << "a set goes on";
  EXPECT_EQ(ask(server.address, of_run(id) + "?live=true&offset=0_0&handle=x").status, 404u);
  const std::string other = trigger({"a"});
  of_tag.receive();
  EXPECT_EQ(of_tag.column(other, "metadata"), R"({"n":0})");
}

TEST_P(RealtimeTrouble, ARunThatIsErasedBetweenTheCheckAndTheWaitIsNotWaitedFor) {
  RealtimeServer server(*tested_, {.live_ms = 600'000, .ask_ms = 600'000, .answer_ms = 0});
  const std::string id = trigger();
  ShapeClient client(server.address, of_run(id));
  client.step();
  trigger({"b"});
  ShapeClient other(server.address, "/realtime/v1/runs?tags=b");
  other.step();
  other.send();
  ASSERT_TRUE(server.wait_waiting(1));
  std::this_thread::sleep_for(milliseconds(100));
  server.storage.after_check = [&] {
    const size_t looks = server.storage.looks;
    tested_->erase(id);
    EXPECT_TRUE(wait_for([&] { return server.storage.looks > looks; }));
    std::this_thread::sleep_for(milliseconds(20));
  };
  client.send();
  EXPECT_EQ(client.receive().body, kNothingNew);
  EXPECT_EQ(client.step().status, 404u);
}

// Not even if one of the same name is there by then.
TEST_P(RealtimeTrouble, ARunThatIsErasedAndMadeAnewIsAReset) {
  RealtimeServer server(*tested_, {.ask_ms = 600'000, .answer_ms = 0});
  server::Trigger made;
  made.task = "t";
  tested_->add("run_again", made);
  ShapeClient client(server.address, of_run("run_again"));
  client.step();
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  tested_->erase("run_again");
  tested_->add("run_again", made);
  while (client.resets() == 0 && client.ended().empty()) {
    client.receive();
    if (client.resets() == 0) {
      client.send();
    }
  }
  EXPECT_EQ(client.step().status, 200u);
  EXPECT_EQ(client.ended(), "");
}

StorageSetup short_history() {
  StorageSetup setup;
  setup.history_max = 20;
  return setup;
}

class RealtimeTooOld : public Realtime {
 protected:
  RealtimeTooOld() : Realtime(short_history()) {}
};

TEST_P(RealtimeTooOld, APositionOfLongAgoIsAResetAndTheClientEndsRight) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  const std::string id = trigger({"a"});
  ShapeClient client(server.address, "/realtime/v1/runs?tags=a");
  ShapeClient of_one(server.address, of_run(id));
  client.step();
  of_one.step();
  std::string last;
  for (int i = 0; i < 30; ++i) {
    last = trigger({"a"});
    increment(id);
  }
  const std::string handle = client.handle();
  EXPECT_EQ(client.step().status, 409u);
  EXPECT_NE(client.handle(), handle);
  client.step();
  EXPECT_EQ(client.ended(), "");
  EXPECT_EQ(client.rows().size(), 31u);
  EXPECT_EQ(client.column(id, "metadata"), R"({"n":30})");
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  increment(last);
  client.receive();
  EXPECT_EQ(client.column(last, "metadata"), R"({"n":1})");
  EXPECT_EQ(client.resets(), 1u);
  of_one.step();
  EXPECT_EQ(of_one.column(id, "metadata"), R"({"n":30})") << "one run needs no history";
  EXPECT_EQ(of_one.resets(), 0u);
}

TEST_P(RealtimeTooOld, ASetInWhichNothingHappensIsNotReset) {
  const std::string quiet = trigger({"quiet"});
  const std::string busy = trigger({"busy"});
  std::unique_ptr<ShapeClient> client;
  for (int i = 0; i < 3; ++i) {
    const RealtimeServer server(*tested_, {.live_ms = 400, .look_ms = 5});  // one that has seen nothing before
    if (client == nullptr) {
      client = std::make_unique<ShapeClient>(server.address, "/realtime/v1/runs?tags=quiet");
      client->step();
    }
    client->use(server.address);
    client->send();
    ASSERT_TRUE(server.wait_waiting(1));
    for (int k = 0; k < 4; ++k) {  // twice what the storage remembers, and never so much between two looks
      const size_t rows = server.storage.look_rows;
      for (int n = 0; n < 10; ++n) {
        increment(busy);
      }
      ASSERT_TRUE(wait_for([&] { return server.storage.look_rows > rows; }));
    }
    EXPECT_EQ(client->receive().body, kNothingNew) << i;
  }
  increment(quiet);
  const RealtimeServer server(*tested_);
  client->use(server.address);
  ASSERT_TRUE(client->step_until_rows());
  EXPECT_EQ(client->column(quiet, "metadata"), R"({"n":1})");
  EXPECT_EQ(client->resets(), 0u);
}

TEST_P(RealtimeTooOld, MoreThanTheStorageRemembersBetweenTwoLooksIsNoHole) {
  const RealtimeServer server(*tested_, {.look_ms = 100, .answer_ms = 0});
  const std::string id = trigger({"a"});
  const std::string busy = trigger();
  ShapeClient of_tag(server.address, "/realtime/v1/runs?tags=a");
  ShapeClient of_one(server.address, of_run(id));
  of_tag.step();
  of_one.step();
  of_tag.send();
  of_one.send();
  ASSERT_TRUE(server.wait_waiting(2));
  increment(busy);
  std::this_thread::sleep_for(milliseconds(20));  // a look has just been
  increment(id);
  for (int i = 0; i < 50; ++i) {
    increment(busy);
  }
  of_tag.receive();
  of_one.receive();
  for (int i = 0; i < 4 && of_tag.column(id, "metadata") != R"({"n":1})"; ++i) {
    of_tag.step();
  }
  EXPECT_EQ(of_tag.column(id, "metadata"), R"({"n":1})");
  for (int i = 0; i < 2 && of_one.column(id, "metadata") != R"({"n":1})"; ++i) {
    of_one.step();
  }
  EXPECT_EQ(of_one.column(id, "metadata"), R"({"n":1})");
  EXPECT_EQ(of_one.resets(), 0u);
}

/// What one client saw of the counters "n" of its runs.
class Watcher {
 public:
  Watcher(ShapeClient client, std::vector<std::string> addresses, unsigned seed)
      : client_(std::move(client)), addresses_(std::move(addresses)), random_(seed) {}

  void step() {
    if (addresses_.size() > 1) {
      client_.use(addresses_[random_() % addresses_.size()]);
    }
    if (random_() % 8 == 0) {
      client_.refresh();
    }
    const auto before = client_.rows();
    client_.step();
    for (const auto& [key, row] : client_.rows()) {
      const auto had = before.find(key);
      if (had != before.end()) {
        const int64_t was = n(had->second);
        EXPECT_GE(n(row), was) << "a run went back";
      }
    }
    for (const ShapeClient::Row& row : client_.emitted()) {
      const std::string change = row.at("friendlyId").value() + " " + row.at("metadata").value_or("") + " " +
                                 row.at("status").value() + " " + row.at("runTags").value_or("");
      const bool is_new = seen_.insert({change, true}).second;
      doubled_ += is_new ? 0 : 1;
    }
    client_.forget_emitted();
  }
  static int64_t n(const ShapeClient::Row& row) {
    const std::string text = row.at("metadata").value_or(R"({"n":0})");
    return std::stoll(text.substr(text.find(':') + 1));
  }
  [[nodiscard]] const ShapeClient& client() const { return client_; }
  [[nodiscard]] size_t doubled() const { return doubled_; }

 private:
  ShapeClient client_;
  std::vector<std::string> addresses_;
  std::minstd_rand random_;
  std::map<std::string, bool> seen_;
  size_t doubled_ = 0;
};

class RealtimeWhileAllChanges : public Realtime {
 protected:
  static constexpr int kRuns = 12;

  /// Clients of a run, a tag, a batch and of all follow the protocol while `writers` threads change runs, and in the end
  /// have exactly what the storage has. Each asks one of `addresses`, by chance.
  void follow_all(const std::vector<std::string>& addresses, int writers, int changes) {
    std::vector<std::string> runs;
    for (int i = 0; i < kRuns; ++i) {
      runs.push_back(trigger({i % 2 == 0 ? "even" : "odd"}));
    }
    const auto [batch, of_batch] = make_batch(3);
    runs.insert(runs.end(), of_batch.begin(), of_batch.end());
    const std::vector<std::string> paths = {of_run(runs[0]),
                                            of_run(runs[1]),
                                            "/realtime/v1/runs?tags=even",
                                            "/realtime/v1/runs?tags=late,odd",
                                            "/realtime/v1/runs",
                                            "/realtime/v1/batches/" + batch};
    std::atomic<int> writing{writers};
    std::vector<std::thread> threads;
    for (int w = 0; w < writers; ++w) {
      threads.emplace_back([&, w] {
        std::minstd_rand random(static_cast<unsigned>(w) + 1);
        for (int i = 0; i < changes; ++i) {
          increment(runs[random() % runs.size()]);
          if (random() % 16 == 0) {
            trigger({"even"});
          }
          if (i == changes / 2) {
            add_tag(runs[static_cast<size_t>(2 * w + 1) % kRuns], "late");
          }
          if (random() % 4 == 0) {
            std::this_thread::sleep_for(milliseconds(random() % 3));
          }
        }
        --writing;
      });
    }
    std::vector<std::unique_ptr<Watcher>> watchers;
    for (size_t i = 0; i < 2 * paths.size(); ++i) {
      watchers.push_back(std::make_unique<Watcher>(ShapeClient(addresses[0], paths[i % paths.size()]), addresses,
                                                   static_cast<unsigned>(i) + 7));
      threads.emplace_back([&, watcher = watchers.back().get()] {
        while (writing > 0) {
          watcher->step();
        }
        for (int last = 0; last < 3; ++last) {  // each a live time: all that was, was told
          watcher->step();
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
    for (const auto& watcher : watchers) {
      check(*watcher);
    }
  }

  void check(const Watcher& watcher) {
    const ShapeClient& client = watcher.client();
    SCOPED_TRACE(client.target());
    EXPECT_EQ(client.ended(), "");
    EXPECT_EQ(client.resets(), 0u) << "without need";
    EXPECT_EQ(watcher.doubled(), 0u);
    size_t expected = 0;
    const server::Changes now =
        storage_.changes(server::Shape(), std::nullopt, {server::kMetadata, 1'000'000, SIZE_MAX}).value();
    for (const server::RunView& view : now.rows) {
      const bool is_its = fits(client.target(), view);
      expected += is_its ? 1 : 0;
      if (is_its) {
        EXPECT_EQ(client.column(view.id, "metadata"), view.metadata.empty() ? "null" : view.metadata) << view.id;
      }
    }
    EXPECT_EQ(client.rows().size(), expected);
  }
  static bool fits(const std::string& target, const server::RunView& view) {
    const auto has = [&view](const char* tag) {
      return std::find(view.tags.begin(), view.tags.end(), tag) != view.tags.end();
    };
    if (target.find("tags=even") != std::string::npos) {
      return has("even");
    }
    if (target.find("tags=late") != std::string::npos) {
      return has("late") && has("odd");
    }
    if (target.find("/batches/") != std::string::npos) {
      return !view.batch.empty();
    }
    return target.find("/runs?") != std::string::npos || target.find(view.id) != std::string::npos;
  }
};

TEST_P(RealtimeWhileAllChanges, NothingIsMissedOrDoubled) {
  const RealtimeServer server(*tested_, {.live_ms = 250, .look_ms = 5, .answer_ms = 0});
  follow_all({server.address}, 3, 400);
}

TEST_P(RealtimeWhileAllChanges, NorByThoseWhoChangeTheServerBetweenAnyTwoRequests) {
  const RealtimeServer one(*tested_, {.live_ms = 250, .look_ms = 5, .answer_ms = 0});
  const RealtimeServer two(*tested_, {.live_ms = 250, .look_ms = 30, .answer_ms = 5});
  const RealtimeServer deaf(*tested_, {.live_ms = 250, .ask_ms = 70, .answer_ms = 0}, nullptr, false);
  follow_all({one.address, two.address, deaf.address}, 3, 400);
}

TEST_P(RealtimeWhileAllChanges, ThoseWhoAreResetMeanwhileEndRightToo) {
  const RealtimeServer server(*tested_, {.live_ms = 200, .look_ms = 5, .ask_ms = 50, .answer_ms = 0});
  const std::string id = trigger({"a"});
  std::atomic<bool> over{false};
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) {
      increment(id);
      if (i % 40 == 39) {
        tested_->restart();
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
    over = true;
  });
  ShapeClient of_tag(server.address, "/realtime/v1/runs?tags=a");
  ShapeClient of_one(server.address, of_run(id));
  while (!over) {
    of_tag.step();
    of_one.step();
  }
  writer.join();
  for (int i = 0; i < 4; ++i) {
    of_tag.step();
    of_one.step();
  }
  for (const ShapeClient* client : {&of_tag, &of_one}) {
    EXPECT_EQ(client->ended(), "");
    EXPECT_EQ(client->column(id, "metadata"), R"({"n":300})");
  }
  EXPECT_GT(of_tag.resets(), 0u);
  EXPECT_EQ(of_one.resets(), 0u);
}

TEST_P(RealtimeWhileAllChanges, NorWhenEachPauseIsLongEnoughToForgetWhatWasSeen) {
  const RealtimeServer server(*tested_, {.live_ms = 250, .look_ms = 5, .answer_ms = 0, .idle_ms = 0});
  follow_all({server.address}, 2, 200);
  std::this_thread::sleep_for(milliseconds(20));
  const std::string id = trigger({"a"});
  ShapeClient client(server.address, "/realtime/v1/runs?tags=a");
  client.step();
  for (int i = 0; i < 20; ++i) {  // alone: nobody else keeps the looks going
    increment(id);
    ASSERT_TRUE(client.step_until_rows());
  }
  EXPECT_EQ(client.column(id, "metadata"), R"({"n":20})");
  EXPECT_EQ(client.resets(), 0u);
}

CAIRN_ON_EACH_STORAGE(RealtimeTrouble);
CAIRN_ON_EACH_STORAGE(RealtimeTooOld);
CAIRN_ON_EACH_STORAGE(RealtimeWhileAllChanges);

}  // namespace
}  // namespace cairn::tests
