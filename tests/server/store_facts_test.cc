// How far the changes of a run have come, as the process that owns the store tells it.
#include "api/server/store_facts.h"

#include "engine/store/upstream.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

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

}  // namespace
}  // namespace cairn::tests
