// The metadata of a run owned elsewhere is replaced whole: keys that were there before are gone, at the owner's
// upstream and wherever the change passes.
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Replaced : public SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    for (Site* one : {&relay, &child}) {
      one->open();
      one->attach();
    }
    child.start("c", "{}", "p");
  }
  engine::RunRef parent() {
    auto parent = child.store().parent(*child.run("c"));
    EXPECT_TRUE(parent.ok()) << said(parent.status());
    return *parent;
  }
  void replace(const std::string& json) { child.apply(parent(), OperationType::kReplace, "", json); }
  void increment(const std::string& key) { child.apply(parent(), OperationType::kIncrement, key, "1"); }
  void owner_starts(Site& upstream) {
    worker.start("p", R"({"stale":1,"n":10,"l":[1]})");
    worker.sync_with(upstream);
  }
  /// As the owner sees it, too.
  void expect_at(Site& upstream, const std::string& json) {
    EXPECT_EQ(upstream.state("p"), json);
    EXPECT_TRUE(child.dead().empty() && relay.dead().empty() && worker.dead().empty());
    EXPECT_TRUE(child.sync_state().all_acknowledged);
    ASSERT_TRUE(worker.store().refresh("p").ok());
    worker.sync_with(upstream);
    EXPECT_EQ(worker.state("p"), json);
    upstream.reopen();
    EXPECT_EQ(upstream.state("p"), json);
  }

  Site& relay = site("relay");
  Site& child = site("child");
};

TEST_F(Replaced, TheOwnersOtherKeysAreGone) {
  owner_starts(up);
  replace(R"({"a":1})");
  child.sync_with(up);
  expect_at(up, R"({"a":1})");
}

TEST_F(Replaced, ByNothing) {
  owner_starts(up);
  replace("{}");
  child.sync_with(up);
  expect_at(up, "{}");
}

TEST_F(Replaced, WhatCameBeforeAndBehindItCountsInItsOrder) {
  owner_starts(up);
  increment("n");
  increment("before");
  replace(R"({"a":1,"l":[2]})");
  increment("n");
  increment("a");
  child.apply(parent(), OperationType::kRemove, "l", "2");
  child.sync_with(up);
  expect_at(up, R"({"a":2,"l":[],"n":1})");
}

TEST_F(Replaced, AlsoFromTheTablesAndInSeveralSteps) {
  owner_starts(up);
  increment("n");
  replace(R"({"a":1})");
  child.reopen();
  child.attach();
  increment("n");
  child.reopen();
  child.attach();
  child.sync_with(up);
  increment("n");
  child.sync_with(up);
  expect_at(up, R"({"a":1,"n":2})");
}

TEST_F(Replaced, BeforeTheOwnersFirstWord) {
  replace(R"({"a":1})");
  child.sync_with(up);
  increment("a");
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), "waiting {}");
  up.reopen();
  owner_starts(up);
  expect_at(up, R"({"a":2})");
}

TEST_F(Replaced, TheOwnersNextChangeGoesOnTop) {
  owner_starts(up);
  replace(R"({"a":1})");
  child.sync_with(up);
  worker.apply("p", OperationType::kIncrement, "n", "1");
  worker.sync_with(up);
  expect_at(up, R"({"a":1,"n":1})");
}

TEST_F(Replaced, ThroughARelayThatHasTheRun) {
  owner_starts(relay);
  relay.sync_with(up);
  replace(R"({"a":1})");
  increment("n");
  child.sync_with(relay);
  EXPECT_EQ(relay.state("p"), R"({"a":1,"n":1})");
  relay.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":1,"n":1})");
}

TEST_F(Replaced, ThroughARelayThatDoesNot) {
  owner_starts(up);
  replace("{}");
  child.sync_with(relay);
  increment("n");
  child.sync_with(relay);
  relay.reopen();
  relay.attach();
  relay.sync_with(up);
  expect_at(up, R"({"n":1})");
}

TEST_F(Replaced, WithTheOwnersEndInOneBatch) {
  owner_starts(relay);
  relay.sync_with(up);
  replace(R"({"a":1})");
  child.sync_with(relay);
  worker.finish("p");
  worker.sync_with(relay);
  relay.sync_with(up);
  EXPECT_EQ(up.state("p"), R"(COMPLETED {"a":1})");
  EXPECT_TRUE(relay.dead().empty());
}

// On its way when the owner's first word came to the relay, and then it came back.
TEST_F(Replaced, WhatComesBackIsTakenIntoTheRunThatCameMeanwhile) {
  replace(R"({"a":1})");
  child.sync_with(relay);
  ASSERT_FALSE(relay.frozen().empty());
  owner_starts(relay);
  ASSERT_TRUE(relay.store().upstream().failed(sync::Failure::kTooLarge, "413").ok());
  relay.clock().advance_ms(120'000);
  relay.sync_with(up);
  EXPECT_EQ(relay.state("p"), R"({"a":1})");
  EXPECT_EQ(up.state("p"), R"({"a":1})");
}

// Refused, and what came back joins what waits; some of it is sent only after a repair.
TEST_F(Replaced, AsADeadLetterThatIsTriedAgain) {
  owner_starts(up);
  replace(R"({"a":1})");
  const std::string batch = child.frozen();
  child.feed(answer_to(batch, sync::Answer::kOk,
                       {{child.sync_state().in_flight_entries - 1, sync::VerdictCode::kRefusedRun, ""}}));
  ASSERT_EQ(child.dead(), std::vector<std::string>{"p: refused"});
  increment("n");
  ASSERT_TRUE(child.store().upstream().release_dead("p", sync::Outbox::Release::kRetry).ok());
  child.sync_with(up);
  expect_at(up, R"({"a":1,"n":1})");
}

TEST_F(Replaced, AlsoAfterARepair) {
  owner_starts(up);
  child.sync_with(up);
  increment("n");
  replace("{}");
  ASSERT_TRUE(child.store().barrier().ok());
  ASSERT_TRUE(child.store().checkpoint().ok());
  child.close();
  damage_log(child);
  repair(child);
  child.open();
  child.attach();
  child.sync_with(up);
  ASSERT_EQ(child.dead(), std::vector<std::string>{"p: may have been sent"});
  ASSERT_TRUE(child.store().upstream().release_dead("p", sync::Outbox::Release::kRetry).ok());
  child.sync_with(up);
  expect_at(up, "{}");
}

// The run is started by the store that replaced it: what waits goes on top of what it is started with.
TEST_F(Replaced, AndThenStartedByTheSameStore) {
  replace(R"({"a":1})");
  child.start("p", R"({"stale":1})");
  EXPECT_EQ(child.state("p"), R"({"a":1})");
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":1})");
}

TEST_F(Replaced, SentAndThenStartedByTheSameStore) {
  replace(R"({"a":1})");
  child.sync_with(up);
  child.start("p", R"({"stale":1})");
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":1})");
}

// The store that asked what the owner's document is shows what is to become of it.
TEST_F(Replaced, IsSeenByWhoDidIt) {
  owner_starts(up);
  const engine::RunRef p = parent();
  replace(R"({"a":1})");
  ASSERT_TRUE(child.store().refresh("p").ok());
  child.sync_with(up);
  EXPECT_EQ(child.state("p"), R"(waiting {"a":1})");
}

// One that cannot be taken is refused alone, and nothing of it is.
TEST_F(Replaced, ByMoreThanTheUpstreamTakes) {
  up.close();
  up.open(100);
  owner_starts(up);
  replace(R"({"big":")" + std::string(200, 'x') + "\"}");
  child.sync_with(up);
  EXPECT_EQ(child.dead(), std::vector<std::string>{"p: too large"});
  EXPECT_EQ(up.state("p"), R"({"stale":1,"n":10,"l":[1]})");
}

}  // namespace
}  // namespace cairn::tests
