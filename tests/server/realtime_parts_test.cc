// What is too much for one answer comes in several, each of a bounded size; and what nobody shows is not read.
#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "tests/server/realtime_fixture.h"

namespace cairn::tests {
namespace {

constexpr size_t kPayloadBytes = 200u << 10;
// One run more than the bound, and what an answer has beside the texts.
constexpr size_t kBodyBytesMax = server::kAnswerBytesMax + kPayloadBytes + (64u << 10);

class RealtimeInParts : public Realtime {
 protected:
  std::string trigger_large(char filled_with) {
    server::Trigger trigger;
    trigger.task = "import-csv";
    trigger.tags = {"a"};
    trigger.metadata = R"({"n":0})";
    trigger.payload = server::TypedText{"text/plain", std::string(kPayloadBytes, filled_with)};
    return storage_.write(trigger, {}).value().id;
  }
  std::vector<std::string> trigger_many(size_t count) {
    std::vector<std::string> out;
    for (size_t i = 0; i < count; ++i) {
      out.push_back(trigger_large(static_cast<char>('a' + i % 26)));
    }
    return out;
  }
  /// Answers until one is up-to-date. Returns how many it took.
  static size_t catch_up(ShapeClient& client, const std::function<void(size_t)>& between = {}) {
    for (size_t answers = 1; answers <= 100; ++answers) {
      const Reply reply = client.step();
      EXPECT_EQ(reply.status, 200u) << reply.body.substr(0, 200);
      EXPECT_LE(reply.body.size(), kBodyBytesMax);
      if (reply.headers.count("electric-up-to-date") != 0) {
        return answers;
      }
      EXPECT_EQ(reply.body.find("up-to-date"), std::string::npos);
      if (between) {
        between(answers);
      }
    }
    ADD_FAILURE() << "no end";
    return 0;
  }
};

TEST_P(RealtimeInParts, ASnapshotOfLargeRunsIsWholeAndNoAnswerIsTooLarge) {
  constexpr size_t kRuns = 300;
  const RealtimeServer server(*tested_);
  const std::vector<std::string> ids = trigger_many(kRuns);
  ShapeClient client(server.address, "/realtime/v1/runs?tags=a");
  constexpr size_t kRunsOfAnAnswer = server::kAnswerBytesMax / kPayloadBytes + 1;
  EXPECT_EQ(catch_up(client), (kRuns + kRunsOfAnAnswer - 1) / kRunsOfAnAnswer);
  EXPECT_EQ(client.rows().size(), kRuns);
  EXPECT_EQ(client.emitted().size(), kRuns) << "each once";
  for (size_t i = 0; i < kRuns; ++i) {
    ASSERT_EQ(client.column(ids[i], "payload"), std::string(kPayloadBytes, static_cast<char>('a' + i % 26)));
  }
  EXPECT_EQ(client.resets(), 0u);
  EXPECT_EQ(server.storage.payloads, kRuns) << "each was read once";
}

TEST_P(RealtimeInParts, WhatChangesBetweenTwoPartsIsNeitherMissedNorOld) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  std::vector<std::string> ids = trigger_many(60);
  ShapeClient client(server.address, "/realtime/v1/runs?tags=a");
  catch_up(client, [&](size_t answers) {
    if (answers == 1) {
      increment(ids.back());   // was told
      increment(ids.front());  // is told by a later part
      ids.push_back(trigger_large('z'));
    } else if (answers == 2) {
      increment(ids[30]);
      increment(ids.front());
    }
  });
  EXPECT_EQ(client.rows().size(), ids.size());
  EXPECT_EQ(client.column(ids[59], "metadata"), R"({"n":1})");
  EXPECT_EQ(client.column(ids.front(), "metadata"), R"({"n":2})");
  EXPECT_EQ(client.column(ids[30], "metadata"), R"({"n":1})");
  EXPECT_EQ(client.column(ids.back(), "payload").size(), kPayloadBytes);
  increment(ids[5]);
  ASSERT_TRUE(client.step_until_rows());
  EXPECT_EQ(client.emitted().size(), 1u) << "and it follows as any other";
  EXPECT_EQ(client.column(ids[5], "metadata"), R"({"n":1})");
  EXPECT_EQ(client.resets(), 0u);
}

TEST_P(RealtimeInParts, AServerThatForgotTheFeedBeginsTheSnapshotAnew) {
  const RealtimeServer server(*tested_);
  const std::vector<std::string> ids = trigger_many(60);
  ShapeClient client(server.address, "/realtime/v1/runs?tags=a");
  client.step();
  EXPECT_NE(client.handle().find('~'), std::string::npos);
  tested_->restart();
  EXPECT_EQ(client.step().status, 409u);
  EXPECT_GT(catch_up(client), 1u);
  EXPECT_EQ(client.rows().size(), ids.size());
  EXPECT_EQ(client.ended(), "");
}

TEST_P(RealtimeInParts, MuchThatChangesForWhoWaitsComesInPartsToo) {
  RealtimeServer server(*tested_, {.live_ms = 3000, .look_ms = 400, .answer_ms = 400});
  const std::string first = trigger({"a"});
  ShapeClient client(server.address, "/realtime/v1/runs?tags=a");
  client.step();
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  const std::vector<std::string> ids = trigger_many(100);
  const Reply reply = client.receive();
  EXPECT_EQ(reply.status, 200u);
  EXPECT_LE(reply.body.size(), kBodyBytesMax);
  if (reply.headers.count("electric-up-to-date") == 0) {
    catch_up(client);
  }
  while (client.rows().size() < ids.size() + 1) {
    ASSERT_TRUE(client.step_until_rows(100));  // until a look has seen them, what was told is told again
  }
  for (const std::string& id : ids) {
    EXPECT_EQ(client.column(id, "payload").size(), kPayloadBytes);
  }
  EXPECT_EQ(client.resets(), 0u);
}

// A look that ends early has rows with numbers that it has not reached: what lies between is told by the next one.
TEST_P(RealtimeInParts, RunsThatChangeAgainBeforeALookHideNoOther) {
  constexpr size_t kRuns = 2100;   // more than one look takes
  constexpr size_t kAgain = 1100;  // more than one answer has
  RealtimeServer server(*tested_, {.live_ms = 6000, .look_ms = 4000, .answer_ms = 0});
  trigger({"a"});
  ShapeClient client(server.address, "/realtime/v1/runs?tags=a");
  client.step();
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  std::vector<std::string> ids;
  for (size_t i = 0; i < kRuns; ++i) {
    ids.push_back(trigger({"a"}));
  }
  for (size_t i = 0; i < kAgain; ++i) {
    increment(ids[i]);
  }
  EXPECT_EQ(client.receive().status, 200u);
  const auto has_all = [&] {
    return client.rows().size() > kRuns && std::all_of(ids.begin(), ids.begin() + kAgain, [&](const std::string& id) {
             return client.column(id, "metadata") == R"({"n":1})";
           });
  };
  for (int steps = 0; !has_all() && steps < 20; ++steps) {
    client.step();
  }
  EXPECT_TRUE(has_all()) << client.rows().size();
  EXPECT_EQ(client.resets(), 0u);
}

TEST_P(RealtimeInParts, WhatAllLeaveOutIsNotRead) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  const std::vector<std::string> ids = trigger_many(5);
  std::vector<std::unique_ptr<ShapeClient>> clients;
  for (const std::string& path : {of_run(ids[0]), std::string("/realtime/v1/runs?tags=a")}) {
    clients.push_back(std::make_unique<ShapeClient>(
        server.address, path, std::map<std::string, std::string>{{"skipColumns", "payload,payloadType"}}));
  }
  for (int n = 1; n <= 3; ++n) {
    for (const auto& client : clients) {
      client->step();
      client->send();
    }
    ASSERT_TRUE(server.wait_waiting(2));
    increment(ids[0]);
    for (const auto& client : clients) {
      client->receive();
      EXPECT_EQ(client->column(ids[0], "metadata"), "{\"n\":" + std::to_string(n) + "}");
      client->refresh();
    }
  }
  EXPECT_EQ(server.storage.payloads, 0u);
}

// Those who show the payload get it, whoever else waits, and whatever was looked at before they came.
TEST_P(RealtimeInParts, WhoShowsMoreThanThoseBeforeGetsIt) {
  const RealtimeServer server(*tested_, {.ask_ms = 600'000, .answer_ms = 0});
  const std::string id = trigger_large('x');
  const std::map<std::string, std::string> less = {{"skipColumns", "payload,payloadType"}};
  for (const std::string& path : {of_run(id), std::string("/realtime/v1/runs?tags=a")}) {
    ShapeClient lean(server.address, path, less);
    lean.step();
    ShapeClient full(server.address, path);
    full.step();
    const std::string payload = full.column(id, "payload");
    ASSERT_EQ(payload.size(), kPayloadBytes);
    lean.send();
    ASSERT_TRUE(server.wait_waiting(1));
    increment(id);  // a look without payloads
    lean.receive();
    full.forget_emitted();
    ASSERT_TRUE(full.step_until_rows());
    ASSERT_EQ(full.emitted().size(), 1u);
    EXPECT_EQ(full.emitted()[0].at("payload").value_or("none"), payload) << path;
    full.send();
    lean.send();
    ASSERT_TRUE(server.wait_waiting(2));
    increment(id);
    full.receive();
    lean.receive();
    EXPECT_EQ(full.emitted()[0].at("payload").value_or("none"), payload) << path;
    EXPECT_EQ(full.column(id, "metadata"), lean.column(id, "metadata"));
  }
}

// When they are gone, it is not read any more.
TEST_P(RealtimeInParts, WhatIsShownNoLongerIsReadNoLonger) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  const std::string id = trigger_large('x');
  ShapeClient lean(server.address, of_run(id), {{"skipColumns", "payload,payloadType"}});
  lean.step();
  {
    ShapeClient full(server.address, of_run(id));
    full.step();
    full.send();
    ASSERT_TRUE(server.wait_waiting(1));
  }
  lean.send();
  ASSERT_TRUE(server.wait_waiting(1));
  // The sweeps of two seconds.
  ASSERT_TRUE(wait_for([&] {
    const size_t payloads = server.storage.payloads;
    increment(id);
    lean.receive();
    lean.send();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return server.storage.payloads == payloads;
  }));
}

CAIRN_ON_EACH_STORAGE(RealtimeInParts);

}  // namespace
}  // namespace cairn::tests
