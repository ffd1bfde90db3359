// Realtime subscriptions as a client sees them, over real sockets: which requests get which answers.
#include <chrono>
#include <thread>

#include "tests/server/realtime_fixture.h"

namespace cairn::tests {
namespace {

using std::chrono::milliseconds;
using Elapsed = std::chrono::duration<double, std::milli>;

constexpr const char* kOnlyUpToDate = R"([{"headers":{"control":"up-to-date"}}])";

/// What a server sends, without what differs from one to the next.
std::string sent(Reply& reply) {
  std::string out = std::to_string(reply.status) + "\n";
  for (const char* name : {"content-type", "cache-control", "electric-offset", "electric-handle", "electric-schema",
                           "electric-up-to-date", "x-should-retry"}) {
    if (reply.headers.count(name) != 0) {
      out += std::string(name) + ": " + reply.headers[name] + "\n";
    }
  }
  return out + reply.body;
}

class RealtimeOfOneRun : public Realtime {
 protected:
  static StorageSetup fixed_time() {
    StorageSetup options;
    options.name = "af7715";
    options.now_us = [] { return int64_t{1'796'335'199'919'000}; };
    return options;
  }
  RealtimeOfOneRun() : Realtime(fixed_time()) {}

  /// The run of the protocol's example.
  void add_example() {
    server::Trigger trigger;
    trigger.task = "import-csv";
    trigger.payload = {"application/super+json", R"({"json":{"message":"hello"}})"};
    trigger.metadata = R"({"user":{"name":"Eric","id":"user_1234"},"progress":0})";
    trigger.tags = {"user:1234", "a\"b"};
    trigger.ttl = "10m";
    tested_->add("run_1", trigger);
    set_status("run_1", engine::RunStatus::kExecuting);
  }
  static std::string row(const std::string& metadata, const std::string& operation) {
    return R"({"key":"\"public\".\"TaskRun\"/\"run_1\"","value":{"id":"run_1","taskIdentifier":"import-csv",)"
           R"("createdAt":"2026-12-03T21:59:59.919","updatedAt":"2026-12-03T21:59:59.919",)"
           R"("startedAt":"2026-12-03T21:59:59.919","delayUntil":null,"queuedAt":"2026-12-03T21:59:59.919",)"
           R"("expiredAt":null,"completedAt":null,"friendlyId":"run_1","number":"1","isTest":"f","status":"EXECUTING",)"
           R"("usageDurationMs":"0","costInCents":"0","baseCostInCents":"0","ttl":"10m",)"
           R"("payload":"{\"json\":{\"message\":\"hello\"}}","payloadType":"application/super+json",)"
           R"("metadata":")" +
           metadata +
           R"(","metadataType":"application/json","output":null,"outputType":"application/json",)"
           R"("runTags":"{\"a\\\"b\",\"user:1234\"}","error":null,"realtimeStreams":"{}"},"headers":{"operation":")" +
           operation + "\"}}";
  }
};

TEST_P(RealtimeOfOneRun, TheExampleOfTheProtocolByteForByte) {
  add_example();
  const RealtimeServer server(*tested_, {.live_ms = 100});
  Reply reply = ask(server.address, of_run("run_1") + "?log=full&offset=-1");
  const std::string handle = reply.headers["electric-handle"];
  EXPECT_EQ(handle.rfind("af7715-" + run("run_1").life + "-", 0), 0u) << handle;
  EXPECT_EQ(
      sent(reply),
      "200\ncontent-type: application/json\ncache-control: no-store\nelectric-offset: 2_0\nelectric-handle: " + handle +
          "\nelectric-schema: " + server::schema_text(server::kAllColumns) + "\nelectric-up-to-date: \n[" +
          row(R"({\"user\":{\"name\":\"Eric\",\"id\":\"user_1234\"},\"progress\":0})", "insert") +
          R"(,{"headers":{"control":"up-to-date"}}])");

  Client client(server.address);
  const auto live = [&](const std::string& offset, const std::string& cursor) {
    client.send("GET " + of_run("run_1") + "?cursor=" + cursor + "&handle=" + handle +
                "&live=true&log=full&offset=" + offset + " HTTP/1.1\r\nHost: " + server.address + "\r\n\r\n");
  };
  live("2_0", "");
  ASSERT_TRUE(server.wait_waiting(1));
  server::MetadataUpdate update;
  update.run = "run_1";
  update.operations = engine::parse_operations(R"([{"type":"set","key":"progress","value":0.5}])").value();
  ASSERT_TRUE(storage_.write(update, {}).ok());
  reply = client.read_reply();
  const std::string cursor = reply.headers["electric-cursor"];
  EXPECT_NE(cursor.find_first_of("0123456789"), std::string::npos);
  EXPECT_EQ(sent(reply),
            "200\ncontent-type: application/json\ncache-control: no-store\nelectric-offset: 3_0\nelectric-handle: " +
                handle + "\nelectric-up-to-date: \n[" +
                row(R"({\"user\":{\"name\":\"Eric\",\"id\":\"user_1234\"},\"progress\":0.5})", "update") +
                R"(,{"headers":{"control":"up-to-date"}}])");

  live("3_0", cursor);
  reply = client.read_reply();
  EXPECT_EQ(sent(reply),
            "200\ncontent-type: application/json\ncache-control: no-store\nelectric-offset: 3_0\nelectric-handle: " +
                handle + "\nelectric-up-to-date: \n" + kOnlyUpToDate)
      << "the time is up";
  EXPECT_NE(reply.headers["electric-cursor"], cursor);

  const std::string other = "af7715-otherlife-" + handle.substr(handle.rfind('-') + 1);
  reply = ask(server.address, of_run("run_1") + "?cursor=&handle=" + other + "&live=true&log=full&offset=3_0");
  EXPECT_EQ(sent(reply), "409\ncontent-type: application/json\ncache-control: no-store\nelectric-handle: " + handle +
                             "\n" + R"([{"headers":{"control":"must-refetch"}}])");
  reply =
      ask(server.address, of_run("run_1") + "?expired_handle=" + other + "&handle=" + handle + "&log=full&offset=-1");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.headers["electric-handle"], handle);
  EXPECT_EQ(reply.headers["electric-offset"], "3_0");
}

TEST_P(RealtimeOfOneRun, ARunThatIsNotThereIs404AndNotAskedForAgain) {
  add_example();
  const RealtimeServer server(*tested_);
  for (const char* target : {"/realtime/v1/runs/run_2?offset=-1", "/realtime/v1/batches/batch_2?offset=-1",
                             "/realtime/v1/runs/run_2?offset=1_0&handle=x&live=true"}) {
    Reply reply = ask(server.address, target);
    EXPECT_EQ(sent(reply),
              "404\ncontent-type: application/json\ncache-control: no-store\nx-should-retry: false\n"
              R"({"error":"Not found"})")
        << target;
  }
  Reply reply = ask(server.address, "/realtime/v1/runs/run_1?offset=7");
  EXPECT_EQ(reply.status, 400u);
  EXPECT_EQ(reply.body, R"({"error":"offset: must be -1, or an electric-offset of this server"})");
}

class RealtimeSequence : public Realtime {};

TEST_P(RealtimeSequence, AClientFollowsARunToItsEnd) {
  const RealtimeServer server(*tested_, {.live_ms = 200, .answer_ms = 0});
  const std::string id = trigger();
  ShapeClient client(server.address, of_run(id));
  ASSERT_TRUE(client.step_until_rows());
  EXPECT_EQ(client.column(id, "status"), "PENDING");
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  set_status(id, engine::RunStatus::kExecuting);
  client.receive();
  EXPECT_EQ(client.column(id, "status"), "EXECUTING");
  const std::string offset = client.offset();
  Reply reply = client.step();
  EXPECT_EQ(reply.body, kOnlyUpToDate) << "the time is up";
  EXPECT_EQ(client.offset(), offset);
  increment(id);
  reply = client.step();
  EXPECT_NE(reply.body, kOnlyUpToDate) << "it changed before it was asked for";
  EXPECT_EQ(client.column(id, "metadata"), R"({"n":1})");
  client.refresh();
  reply = client.step();
  EXPECT_EQ(reply.body, kOnlyUpToDate) << "a tab that becomes visible does not wait";
  increment(id);
  client.refresh();
  client.step();
  EXPECT_EQ(client.column(id, "metadata"), R"({"n":2})");
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  set_status(id, engine::RunStatus::kCompleted);
  client.receive();
  EXPECT_EQ(client.column(id, "status"), "COMPLETED_SUCCESSFULLY");
  EXPECT_NE(client.column(id, "completedAt"), "null");
  EXPECT_EQ(client.ended(), "");
  EXPECT_EQ(client.resets(), 0u);
}

TEST_P(RealtimeSequence, ARunGoesOnAfterARestartAndASetBeginsAnew) {
  const std::string id = trigger({"a"});
  auto server = std::make_unique<RealtimeServer>(*tested_, server::SubscriptionTimes{.answer_ms = 0});
  ShapeClient of_one(server->address, of_run(id));
  ShapeClient of_tag(server->address, "/realtime/v1/runs", {{"tags", "a"}});
  ASSERT_TRUE(of_one.step_until_rows());
  ASSERT_TRUE(of_tag.step_until_rows());
  server.reset();
  tested_->restart();
  increment(id);
  server = std::make_unique<RealtimeServer>(*tested_, server::SubscriptionTimes{.answer_ms = 0});
  of_one.use(server->address);
  of_tag.use(server->address);
  of_one.step();
  EXPECT_EQ(of_one.column(id, "metadata"), R"({"n":1})");
  EXPECT_EQ(of_one.resets(), 0u);
  EXPECT_EQ(of_tag.step().status, 409u);
  EXPECT_TRUE(of_tag.rows().empty());
  EXPECT_NE(of_tag.target().find("expired_handle="), std::string::npos);
  of_tag.step();
  EXPECT_EQ(of_tag.column(id, "metadata"), R"({"n":1})");
  of_tag.send();
  ASSERT_TRUE(server->wait_waiting(1));
  increment(id);
  of_tag.receive();
  EXPECT_EQ(of_tag.column(id, "metadata"), R"({"n":2})");
  EXPECT_EQ(of_tag.resets(), 1u);
}

TEST_P(RealtimeSequence, ThoseWhoWaitWhenTheFeedEndsLoseNothing) {
  const RealtimeServer server(*tested_, {.ask_ms = 50, .answer_ms = 0});
  const std::string id = trigger({"a"});
  ShapeClient of_one(server.address, of_run(id));
  ShapeClient of_tag(server.address, "/realtime/v1/runs", {{"tags", "a"}});
  of_one.step();
  of_tag.step();
  of_one.send();
  of_tag.send();
  ASSERT_TRUE(server.wait_waiting(2));
  const auto from = std::chrono::steady_clock::now();
  tested_->restart();
  EXPECT_EQ(of_one.receive().body, kOnlyUpToDate) << "it comes again";
  EXPECT_EQ(of_tag.receive().body, kOnlyUpToDate);
  EXPECT_LT(Elapsed(std::chrono::steady_clock::now() - from).count(), 5000) << "before the time is up";
  increment(id);
  ASSERT_TRUE(of_one.step_until_rows(1));
  ASSERT_TRUE(of_tag.step_until_rows(2)) << "after a 409";
  EXPECT_EQ(of_one.resets(), 0u);
  EXPECT_EQ(of_tag.resets(), 1u);
  EXPECT_EQ(of_tag.column(id, "metadata"), R"({"n":1})");
}

TEST_P(RealtimeSequence, AnEmptyShapeIs200AndFills) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  ShapeClient client(server.address, "/realtime/v1/runs", {{"tags", "a,b"}, {"createdAt", "1h"}});
  Reply reply = client.step();
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, kOnlyUpToDate);
  EXPECT_EQ(reply.headers["electric-offset"], "0_0");
  const std::string id = trigger({"a"});
  trigger({"b", "c"});
  const std::string both = trigger({"b", "c", "a"});
  ASSERT_TRUE(client.step_until_rows());
  EXPECT_EQ(client.rows().size(), 1u);
  EXPECT_EQ(client.column(both, "runTags"), R"({"a","b","c"})");
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  add_tag(id, "b");
  client.receive();
  EXPECT_EQ(client.rows().size(), 2u) << "a run that got the tag";
}

TEST_P(RealtimeSequence, ABatchAndAllRuns) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  const auto [batch, runs] = make_batch(3);
  trigger();
  ShapeClient of_batch(server.address, "/realtime/v1/batches/" + batch);
  ShapeClient of_all(server.address, "/realtime/v1/runs");
  of_batch.step();
  of_all.step();
  EXPECT_EQ(of_batch.rows().size(), 3u);
  EXPECT_EQ(of_all.rows().size(), 4u);
  of_batch.send();
  of_all.send();
  ASSERT_TRUE(server.wait_waiting(2));
  set_status(runs[1], engine::RunStatus::kExecuting);
  of_batch.receive();
  of_all.receive();
  EXPECT_EQ(of_batch.column(runs[1], "status"), "EXECUTING");
  EXPECT_EQ(of_all.column(runs[1], "status"), "EXECUTING");
  EXPECT_EQ(of_all.emitted().size(), 1u);
}

TEST_P(RealtimeSequence, RunsFromBeforeTheTimeThatIsAskedForAreNotThere) {
  int64_t now_us = server::wall_us() - 7'200'000'000;
  StorageSetup setup;
  setup.now_us = [&now_us] { return now_us; };
  const auto tested = GetParam().make(setup);
  server::Trigger old;
  old.task = "t";
  tested->add("run_old", old);
  now_us = server::wall_us();
  tested->add("run_new", old);
  const RealtimeServer server(*tested, {.answer_ms = 0});
  ShapeClient client(server.address, "/realtime/v1/runs", {{"createdAt", "1h"}});
  ShapeClient longer(server.address, "/realtime/v1/runs");
  client.step();
  longer.step();
  EXPECT_EQ(client.rows().size(), 1u);
  EXPECT_EQ(longer.rows().size(), 2u) << "a day, if nothing is asked for";
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  ASSERT_TRUE(tested->storage().write(server::AddTags{"run_old", {"x"}}, {}).ok());
  ASSERT_TRUE(tested->storage().write(server::AddTags{"run_new", {"x"}}, {}).ok());
  client.receive();
  EXPECT_EQ(client.rows().size(), 1u);
}

TEST_P(RealtimeSequence, AnOffsetThatWasNeverGivenIsAReset) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  const std::string id = trigger({"a"});
  for (const std::string& path : {of_run(id), std::string("/realtime/v1/runs?tags=a")}) {
    ShapeClient client(server.address, path);
    client.step();
    const std::string ahead = path + (path.find('?') == std::string::npos ? "?" : "&") + "handle=" + client.handle() +
                              "&live=true&offset=1000000_0";
    Reply reply = ask(server.address, ahead);
    EXPECT_EQ(reply.status, 409u) << "as after a storage that was set back";
    const std::string handle = reply.headers["electric-handle"];
    EXPECT_NE(handle, client.handle());
    reply = ask(server.address, path + (path.find('?') == std::string::npos ? "?" : "&") +
                                    "expired_handle=" + client.handle() + "&handle=" + handle + "&offset=-1");
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.headers["electric-handle"], handle) << "a client goes on with the one that it was given";
    increment(id);
    reply = ask(server.address, path + (path.find('?') == std::string::npos ? "?" : "&") + "handle=" + handle +
                                    "&live=true&offset=" + reply.headers["electric-offset"]);
    EXPECT_EQ(reply.status, 200u);
    EXPECT_NE(reply.body, kOnlyUpToDate);
  }
}

TEST_P(RealtimeSequence, ASnapshotHasTheNewestThousand) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  for (int i = 0; i < 1005; ++i) {
    tested_->add("run_" + std::to_string(10'000 + i), {});
  }
  ShapeClient client(server.address, "/realtime/v1/runs");
  client.step();
  EXPECT_EQ(client.rows().size(), 1000u);
  EXPECT_EQ(client.column("run_10004", "id"), "no such row");
  EXPECT_EQ(client.column("run_10005", "id"), "run_10005");
  EXPECT_EQ(client.column("run_11004", "id"), "run_11004");
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  increment("run_10001");
  client.receive();
  EXPECT_EQ(client.column("run_10001", "metadata"), R"({"n":1})") << "older ones come when they change";
}

TEST_P(RealtimeSequence, MuchThatWasMissedComesInParts) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  ShapeClient client(server.address, "/realtime/v1/runs");
  client.step();
  for (int i = 0; i < 2500; ++i) {
    tested_->add("run_" + std::to_string(10'000 + i), {});
  }
  Reply reply = client.step();
  EXPECT_EQ(reply.headers.count("electric-up-to-date"), 0u);
  EXPECT_TRUE(client.rows().empty()) << "nothing is handed out before the end";
  reply = client.step();
  EXPECT_EQ(reply.headers.count("electric-up-to-date"), 0u);
  EXPECT_EQ(reply.headers.count("electric-schema"), 1u);
  client.step();
  EXPECT_EQ(client.rows().size(), 2500u);
}

TEST_P(RealtimeSequence, ColumnsAreLeftOutFromRowsAndSchema) {
  const RealtimeServer server(*tested_, {.answer_ms = 0});
  const std::string id = trigger();
  ShapeClient client(server.address, of_run(id), {{"skipColumns", "payload,output,status"}});
  const Reply reply = client.step();
  EXPECT_EQ(reply.headers.at("electric-schema").find("\"payload\""), std::string::npos);
  EXPECT_EQ(client.column(id, "payload"), "missing");
  EXPECT_EQ(client.column(id, "status"), "PENDING") << "the client needs it";
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  increment(id);
  EXPECT_EQ(client.receive().body.find("\"payload\""), std::string::npos);
  EXPECT_EQ(client.ended(), "");
}

TEST_P(RealtimeSequence, AHintThatIsLostIsMadeUpForWithinASecond) {
  const RealtimeServer server(*tested_, {.answer_ms = 0}, nullptr, false);
  const std::string id = trigger();
  ShapeClient client(server.address, of_run(id));
  client.step();
  client.send();
  ASSERT_TRUE(server.wait_waiting(1));
  const auto from = std::chrono::steady_clock::now();
  increment(id);
  client.receive();
  EXPECT_EQ(client.column(id, "metadata"), R"({"n":1})");
  EXPECT_LT(Elapsed(std::chrono::steady_clock::now() - from).count(), 2000);
}

TEST_P(RealtimeSequence, TheTimeIsSpread) {
  const RealtimeServer server(*tested_, {.live_ms = 1000, .answer_ms = 0});
  const std::string id = trigger();
  std::vector<std::unique_ptr<ShapeClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<ShapeClient>(server.address, of_run(id)));
    clients.back()->step();
  }
  const auto from = std::chrono::steady_clock::now();
  for (const auto& client : clients) {
    client->send();
  }
  ASSERT_TRUE(server.wait_waiting(20));
  ASSERT_TRUE(wait_for([&] { return server.subscriptions->counters().waiting < 20; }));
  EXPECT_GE(Elapsed(std::chrono::steady_clock::now() - from).count(), 750);
  EXPECT_GT(server.subscriptions->counters().waiting, 0u) << "not all at once";
  for (const auto& client : clients) {
    EXPECT_EQ(client->receive().body, kOnlyUpToDate);
  }
}

class RealtimeForSome : public Realtime {
 protected:
  RealtimeForSome() : keys_(secrets_of(kFollowersKey), {}, storage_.name()), server_(*tested_, {}, &keys_) {}
  static constexpr const char* kFollowersKey = "api-key-0123456789-abcdefghijklmnopqrst";
  static std::vector<Secret> secrets_of(const char* text) {
    std::vector<Secret> out;
    out.push_back(std::move(*Secret::from_text(text)));
    return out;
  }
  [[nodiscard]] std::string bearer(const std::string& scope, const std::string& further = "") const {
    return "Authorization: Bearer " +
           keys_.sign(R"({"iss":"https://id.trigger.dev","aud":"https://api.trigger.dev","sub":")" + storage_.name() +
                      R"(","pub":true,)" + further + R"("exp":4102444800,"scopes":[")" + scope + "\"]}") +
           "\r\n";
  }
  [[nodiscard]] unsigned status(const std::string& scope, const std::string& target) const {
    return ask(server_.address, target + (target.find('?') == std::string::npos ? "?" : "&") + "offset=-1",
               bearer(scope))
        .status;
  }

  const server::Keys keys_;
  const RealtimeServer server_;
};

TEST_P(RealtimeForSome, ScopesOpenWhatTheyName) {
  const std::string id = trigger({"a", "b"});
  const auto [batch, runs] = make_batch(1);
  for (const std::string& scope : {"read:runs:" + id, std::string("read:runs"), std::string("read:tasks:import-csv"),
                                   std::string("read:tags:a"), std::string("read:tags:b"), std::string("admin")}) {
    EXPECT_EQ(status(scope, of_run(id)), 200u) << scope;
  }
  for (const std::string& scope :
       {"read:runs:" + runs[0], "write:runs:" + id, std::string("read:tasks:other"), std::string("read:tags:c"),
        "read:batch:" + batch, std::string("trigger:tasks"), std::string("")}) {
    EXPECT_EQ(status(scope, of_run(id)), 403u) << scope;
  }
  EXPECT_EQ(status("read:batch:" + batch, of_run(runs[0])), 200u);
  EXPECT_EQ(status("read:nothing", of_run("run_none")), 404u);
  for (const char* scope : {"read:runs", "read:tags", "read:tags:b"}) {
    EXPECT_EQ(status(scope, "/realtime/v1/runs?tags=b,a"), 200u) << scope;
  }
  EXPECT_EQ(status("read:tags:c", "/realtime/v1/runs?tags=b,a"), 403u);
  EXPECT_EQ(status("read:tags:a", "/realtime/v1/runs"), 403u) << "all runs";
  EXPECT_EQ(status("read:runs:" + id, "/realtime/v1/runs"), 403u);
  EXPECT_EQ(status("read:runs", "/realtime/v1/batches/" + batch), 200u);
  EXPECT_EQ(status("read:batch:" + batch, "/realtime/v1/batches/" + batch), 200u);
  EXPECT_EQ(status("read:batch:other", "/realtime/v1/batches/" + batch), 403u);
  EXPECT_EQ(ask(server_.address, of_run(id) + "?offset=-1").status, 401u);
  const Reply reply = ask(server_.address, of_run(id) + "?offset=-1", bearer("read:runs:other"));
  EXPECT_EQ(reply.body,
            R"({"error":"Unauthorized","code":"unauthorized","param":"access_token","type":"authorization"})");
}

TEST_P(RealtimeForSome, ALiveRequestNeedsItsScopeToo) {
  const std::string id = trigger({"a"});
  ShapeClient client(server_.address, of_run(id));
  client.headers = bearer("read:tags:a");
  client.step();
  client.send();
  ASSERT_TRUE(server_.wait_waiting(1));
  increment(id);
  EXPECT_EQ(client.receive().status, 200u);
  client.headers = bearer("read:tags:b");
  EXPECT_EQ(client.step().status, 403u);
}

TEST_P(RealtimeForSome, TheColumnsOfTheTokenAndOfTheQueryAreLeftOut) {
  const std::string id = trigger();
  ShapeClient client(server_.address, of_run(id), {{"skipColumns", "output"}});
  client.headers = bearer("read:runs:" + id, R"("realtime":{"skipColumns":["payload","metadata"]},)");
  client.step();
  for (const char* name : {"output", "payload", "metadata"}) {
    EXPECT_EQ(client.column(id, name), "missing") << name;
  }
  client.send();
  ASSERT_TRUE(server_.wait_waiting(1));
  increment(id);
  EXPECT_EQ(client.receive().body.find("\"metadata\""), std::string::npos);
  client.headers = bearer("read:runs:" + id);
  EXPECT_EQ(client.step().status, 409u) << "a token that leaves out less: other rows";
  client.step();
  EXPECT_EQ(client.column(id, "metadata"), R"({"n":1})");
}

CAIRN_ON_EACH_STORAGE(RealtimeOfOneRun);
CAIRN_ON_EACH_STORAGE(RealtimeSequence);
CAIRN_ON_EACH_STORAGE(RealtimeForSome);

}  // namespace
}  // namespace cairn::tests
