// A store between two others: what came in goes on, exactly once, also where it came before the owner's first word and
// was on its way when that came.
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Relays : public SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    relay.open();
    relay.attach();
    child.open();
    child.attach();
    child.start("c", "{}", "p");
  }
  void increment(int by) {
    const engine::RunRef run = child.run("c");
    auto parent = child.store().parent(*run);
    ASSERT_TRUE(parent.ok()) << said(parent.status());
    child.apply(*parent, OperationType::kIncrement, "n", std::to_string(by));
  }
  /// The relay has frozen a batch with the child's increment by 5, and the owner's first word has come since.
  std::string first_word_while_a_delta_is_on_its_way() {
    increment(5);
    child.sync_with(relay);
    (void)relay.store().sync_control(engine::Store::SyncControl::kHurry);
    std::string batch = relay.next();
    EXPECT_FALSE(batch.empty());
    worker.start("p", R"({"n":10})");
    worker.sync_with(relay);
    EXPECT_EQ(relay.state("p"), R"({"n":10})") << "what is on its way is not here";
    return batch;
  }
  void expect_everywhere(const std::string& p) {
    child.sync_with(relay);
    worker.sync_with(relay);
    relay.clock().advance_ms(120'000);
    relay.sync_with(up);
    EXPECT_EQ(up.state("p"), p);
    EXPECT_TRUE(relay.sync_state().all_acknowledged);
    EXPECT_TRUE(relay.dead().empty());
  }

  Site& relay = site("relay");
  Site& child = site("child");
};

TEST_F(Relays, ADeltaOnItsWayArrivesThoughTheOwnerComesMeanwhile) {
  const std::string batch = first_word_while_a_delta_is_on_its_way();
  relay.feed(up.receiver().handle(batch));
  expect_everywhere(R"({"n":15})");
}

TEST_F(Relays, ADeltaThatComesBackIsTakenIntoTheRunThatCameMeanwhile) {
  first_word_while_a_delta_is_on_its_way();
  ASSERT_TRUE(relay.store().sync_failed(sync::Failure::kTooLarge, "413").ok());
  expect_everywhere(R"({"n":15})");
  EXPECT_EQ(relay.state("p"), R"({"n":15})");
  relay.reopen();
  EXPECT_EQ(relay.state("p"), R"({"n":15})");
}

TEST_F(Relays, AlsoIfTheUpstreamHasLostItsState) {
  relay.start("own", "{}");
  relay.sync_with(up);
  relay.set("own", "x", "1");
  relay.sync_with(up);
  Site& anew = site("anew");
  anew.open();
  const std::string batch = first_word_while_a_delta_is_on_its_way();
  relay.feed(anew.receiver().handle(batch));
  EXPECT_EQ(relay.state("p"), R"({"n":15})");
  increment(1);
  child.sync_with(relay);
  relay.sync_with(anew);
  EXPECT_EQ(anew.state("p"), R"({"n":16})");
}

TEST_F(Relays, AlsoIfTheRelayIsDetachedAndItsBatchHadArrived) {
  const std::string batch = first_word_while_a_delta_is_on_its_way();
  up.receiver().handle(batch);  // and the answer is lost
  ASSERT_TRUE(relay.store().detach_upstream().ok());
  relay.attach();
  expect_everywhere(R"({"n":15})");
}

// What came back counts for the owner's first word as what never left.
TEST_F(Relays, ADeltaThatCameBackBeforeTheOwnerIsInTheRun) {
  increment(5);
  child.sync_with(relay);
  const std::string batch = relay.next();
  increment(2);
  child.sync_with(relay);
  relay.feed(answer_to(batch, sync::Answer::kGap));
  worker.start("p", R"({"n":10})");
  worker.sync_with(relay);
  EXPECT_EQ(relay.state("p"), R"({"n":17})");
  expect_everywhere(R"({"n":17})");
}

TEST_F(Relays, WhatTheUpstreamRefusedIsTakenHereWhenItIsTriedAgain) {
  increment(5);
  child.sync_with(relay);
  std::string batch = relay.next();
  relay.feed(answer_to(batch, sync::Answer::kOk,
                       {{relay.sync_state().in_flight_entries - 1, sync::VerdictCode::kBacklog, ""}}));
  ASSERT_EQ(relay.dead(), std::vector<std::string>{"p: backlog"});
  worker.start("p", R"({"n":10})");
  worker.sync_with(relay);
  ASSERT_TRUE(relay.store().release_dead("p", sync::Outbox::Release::kRetry).ok());
  EXPECT_EQ(relay.state("p"), R"({"n":15})");
  relay.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":15})");
}

TEST_F(Relays, WhatDoesNotFitIntoTheRunAnyMoreIsADeadLetter) {
  child.set("c", "x", "1");
  const engine::RunRef run = child.run("c");
  auto parent = child.store().parent(*run);
  ASSERT_TRUE(parent.ok());
  child.apply(*parent, OperationType::kSet, "big", '"' + std::string(3000, 'x') + '"');
  child.sync_with(relay);
  ASSERT_FALSE(relay.next().empty());
  worker.start("p", R"({"n":10,"mine":")" + std::string(3000, 'y') + "\"}");
  worker.sync_with(relay);
  ASSERT_TRUE(relay.store().sync_failed(sync::Failure::kTooLarge, "413").ok());
  relay.sync_with(up);
  EXPECT_EQ(relay.dead(), std::vector<std::string>{"p: too large"});
  EXPECT_EQ(relay.state("p").size(), std::string(R"({"n":10,"mine":""})").size() + 3000);
  ASSERT_TRUE(relay.store().release_dead("p", sync::Outbox::Release::kSkip).ok());
  relay.sync_with(up);
  EXPECT_EQ(up.state("p"), relay.state("p"));
}

}  // namespace
}  // namespace cairn::tests
