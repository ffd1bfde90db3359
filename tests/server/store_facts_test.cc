// How far the changes of a run have come, as the process that owns the store tells it.
#include "api/server/store_facts.h"

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "api/http/server.h"
#include "api/server/remembered.h"
#include "api/server/store_service.h"
#include "engine/store/store_storage.h"
#include "engine/store/upstream.h"
#include "engine/sync/receiver.h"
#include "engine/tables/format.h"
#include "engine/tables/tables.h"
#include "tests/http/http_fixture.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using Json = nlohmann::json;

class StoreFactsTest : public StoreTest {
 protected:
  server::RunDurability durability(const std::string& id) {
    server::StoreFacts facts(*store_);
    auto found = facts.durability(id);
    EXPECT_TRUE(found.ok() && found.value()) << id;
    return found.value().value_or(server::RunDurability());
  }
  void set(engine::Run& run, double value) {
    engine::Operation op;
    op.key = "progress";
    op.value = value;
    engine::Outcome outcome;
    ASSERT_TRUE(store_->apply(run, op, outcome).ok());
  }
};

TEST_F(StoreFactsTest, AChangeIsInMemoryBeforeItSurvivesAPowerLoss) {
  open();
  engine::StartOptions options;
  options.id = "a";
  const auto run = store_->start(options);
  ASSERT_TRUE(run.ok());
  ASSERT_TRUE(store_->barrier().ok());
  EXPECT_EQ(durability("a").power.sequence, 1u);
  set(**run, 0.5);
  set(**run, 0.75);
  server::RunDurability now = durability("a");
  EXPECT_EQ(now.memory.sequence, 3u);
  EXPECT_EQ(now.process.sequence, 3u) << "it stands in staging";
  EXPECT_EQ(now.power.sequence, 1u);
  EXPECT_NE(now.memory.at_us, 0);
  EXPECT_EQ(now.power.at_us, 0) << "when that change was made is not known any more";
  EXPECT_FALSE(now.upstream);
  EXPECT_EQ(now.why.reason, "no_upstream");
  EXPECT_EQ(now.why.sequence, 3u);
  ASSERT_TRUE(store_->barrier().ok());
  now = durability("a");
  EXPECT_EQ(now.power.sequence, 3u);
  EXPECT_EQ(now.power.at_us, now.memory.at_us);
  close();
}

TEST_F(StoreFactsTest, WhatTheUpstreamLacksIsSaidOfChangesThatAreNotOnTheDiskToo) {
  open();
  engine::StartOptions options;
  options.id = "a";
  const auto run = store_->start(options);
  ASSERT_TRUE(run.ok());
  ASSERT_TRUE(store_->upstream().attach("up", {}).ok());
  EXPECT_EQ(durability("a").why.reason, "waits");
  EXPECT_EQ(durability("a").upstream->sequence, 0u);
  set(**run, 0.5);
  const server::RunDurability now = durability("a");
  EXPECT_EQ(now.why.sequence, 2u);
  EXPECT_EQ(now.memory.sequence, 2u);
  server::StoreFacts facts(*store_);
  EXPECT_FALSE(facts.durability("none").value());
  EXPECT_FALSE(facts.durability("../no id").value());
  close();
}

TEST_F(StoreFactsTest, ARunThatCannotBeReadLeavesOutTheCountsAlone) {
  open();
  start("a");
  engine::Tables::Options of;
  of.directory = path();
  of.store_id.assign(reinterpret_cast<const char*>(store_->store_id().data()), store_->store_id().size());
  ASSERT_TRUE(store_->checkpoint().ok());
  close();
  {
    auto tables = engine::Tables::open(of);
    ASSERT_TRUE(tables.ok());
    engine::sync::StreamId stream;
    stream.fill(7);
    engine::sync::StreamCursor cursor;
    cursor.owner.fill(8);
    const auto damage = [&](engine::TablesTxn& txn) -> Status {
      CAIRN_TRY(txn.put(engine::Table::kCursors, engine::sync::cursor_key(stream), encode_cursor(cursor)));
      return txn.put(engine::Table::kRuns, "a", "garbage");
    };
    ASSERT_TRUE((*tables)->transact(4096, damage).ok());
  }
  open();
  engine::sync::StoreStorage storage(*store_);
  engine::sync::Receiver receiver(storage);
  server::StoreService service(*store_, receiver, server::StoreService::Options());
  http::ServerOptions listen;
  listen.listen = {"127.0.0.1:0"};
  auto server = http::Server::start(std::move(listen), service.routes());
  ASSERT_TRUE(server.ok());
  const auto get = [&server](const std::string& route) {
    const std::string address = (*server)->addresses().front();
    Client client(address);
    client.send("GET " + route + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.status, 200u) << reply.body;
    return Json::parse(reply.body, nullptr, false);
  };
  const Json stores = get("/cairn/v1/stores");
  ASSERT_EQ(stores.at("stores").size(), 1u);
  const Json& sender = stores.at("stores").at(0);
  EXPECT_EQ(sender.at("store_id"), "08080808080808080808080808080808");
  for (const char* name : {"runs", "unfinished_runs", "gone"}) {
    EXPECT_TRUE(sender.at(name).is_null()) << name;
  }
  const Json facts = get("/cairn/v1/store");
  for (const char* name : {"runs", "orphaned_runs", "runs_by_status", "foreign_runs", "metadata_bytes"}) {
    EXPECT_TRUE(facts.at(name).is_null()) << name;
  }
  EXPECT_NE(facts.at("disk_bytes"), 0);
  (*server)->stop(0);
}

TEST(Remembered, WhoAsksWhileItIsBeingCountedWaitsForThat) {
  server::Remembered<int> remembered;
  std::atomic<int> inside = 0;
  std::atomic<int> asking = 0;
  const auto count = [&]() -> Result<int> {
    EXPECT_EQ(++inside, 1) << "one walk at a time";
    while (asking < 4) {
      std::this_thread::yield();
    }
    --inside;
    return 7;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ++asking;
      const auto got = remembered.get("", std::chrono::milliseconds(0), count);
      EXPECT_TRUE(got.ok() && **got == 7);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(Remembered, AnErrorIsNotRemembered) {
  server::Remembered<int> remembered;
  const auto fails = []() -> Result<int> { return Status(Code::kCorrupt, "damaged"); };
  EXPECT_EQ(remembered.get("", std::chrono::hours(1), fails).code(), Code::kCorrupt);
  int walks = 0;
  const auto works = [&walks]() -> Result<int> { return ++walks; };
  EXPECT_EQ(**remembered.get("", std::chrono::hours(1), works), 1);
  EXPECT_EQ(**remembered.get("", std::chrono::hours(1), works), 1);
  EXPECT_EQ(**remembered.get("other", std::chrono::hours(1), works), 2);
}

}  // namespace
}  // namespace cairn::tests
