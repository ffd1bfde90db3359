// A store that was detached goes on where it was, once it is attached again.
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Detached : public SyncTest {
 protected:
  void attach_again(Site& s) {
    s.attach();
    s.clock().advance_ms(120'000);
  }
  Site& child = site("child");
};

TEST_F(Detached, ABatchThatHadArrivedIsNotSentOnceMore) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  child.sync_with(up);
  child.increment_parent("c", 5);
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
  up.receiver().handle(child.next());  // and the answer is lost
  ASSERT_TRUE(child.store().upstream().detach().ok());
  child.increment_parent("c", 2);
  child.reopen();
  attach_again(child);
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":7})");
  EXPECT_EQ(up.receiver().counters().duplicates, 1u);
  EXPECT_EQ(child.sync_state().sender.rotations, 0u) << "the stream goes on";
}

TEST_F(Detached, ASharedRunThatIsChangedMeanwhileArrives) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  child.increment_parent("c", 5);
  child.sync_with(up);
  ASSERT_TRUE(worker.store().upstream().detach().ok());
  worker.apply("p", OperationType::kIncrement, "n", "1");
  worker.reopen();
  worker.apply("p", OperationType::kIncrement, "n", "1");
  worker.start("q", R"({"of":"a process that never was attached"})");
  attach_again(worker);
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(up.state("p"), R"({"n":7})");
  EXPECT_EQ(up.state("q"), worker.state("q"));
}

TEST_F(Detached, WhatIsErasedMeanwhileIsErasedUpstream) {
  worker.start("gone");
  worker.start("stays");
  worker.sync_with(up);
  ASSERT_TRUE(worker.store().upstream().detach().ok());
  worker.reopen();
  ASSERT_TRUE(worker.store().erase("gone").ok());
  worker.set("stays", "n", "1");
  worker.reopen();
  attach_again(worker);
  worker.sync_with(up);
  EXPECT_EQ(up.state("gone"), "none");
  expect_equal();
}

// Retention takes what the upstream has, which stays there; not what it lacks.
TEST_F(Detached, WhatRetentionTakesMeanwhileStaysUpstream) {
  worker.close();
  worker.retain_finished_ms = 1000;
  worker.open();
  worker.attach();
  worker.start("r", R"({"n":1})");
  worker.finish("r");
  worker.sync_with(up);
  ASSERT_TRUE(worker.store().upstream().detach().ok());
  worker.start("unsent");
  worker.finish("unsent");
  for (int i = 0; i < 5; ++i) {
    worker.clock().advance_ms(120'000);
    ASSERT_TRUE(worker.store().step(1'000'000).ok());
  }
  EXPECT_EQ(worker.state("r"), "none");
  EXPECT_EQ(worker.state("unsent"), "COMPLETED {}");
  attach_again(worker);
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"(COMPLETED {"n":1})");
  EXPECT_EQ(up.state("unsent"), "COMPLETED {}");
}

TEST_F(Detached, ARestoredStoreThatIsDetachedBeforeItAskedStillAsks) {
  Site& machine = open_machine_of("machine");
  Site& snapshot = machine_of("snapshot");
  machine.start("r", R"({"n":1})");
  machine.sync_with(up);
  machine.copy_to(snapshot);
  machine.set("r", "n", "2");
  machine.sync_with(up);
  machine.set("r", "m", "2");
  machine.sync_with(up);
  machine.close();
  snapshot.open();
  snapshot.set("r", "x", "1");
  snapshot.feed(up.receiver().handle(snapshot.next()));
  ASSERT_EQ(snapshot.sync_state().sender.pull, sync::Pull::kRestored);
  ASSERT_TRUE(snapshot.store().upstream().detach().ok());
  snapshot.set("r", "y", "1");
  snapshot.reopen();
  attach_again(snapshot);
  snapshot.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"n":2,"m":2,"x":1,"y":1})");
  EXPECT_EQ(snapshot.all(), up.all());
}

// A copy that nobody saw, of a store that was then detached: both go on with one stream, so it is found.
TEST_F(Detached, OfTwoThatAreAttachedAgainOneIsStopped) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  Site& first = open_machine_of("first");
  Site& second = machine_of("second");
  first.start("c", "{}", "p");
  first.sync_with(up);
  first.increment_parent("c", 5);
  ASSERT_TRUE(first.store().upstream().detach().ok());
  first.copy_to(second);
  second.open();
  attach_again(first);
  first.set("c", "who", R"("first")");
  first.sync_with(up);
  attach_again(second);
  second.set("c", "who", R"("second")");
  second.sync_with(up);
  EXPECT_EQ(second.sync_state().sender.halt, sync::Halt::kForked);
  EXPECT_EQ(up.state("p"), R"({"n":5})");
  EXPECT_EQ(up.state("c"), R"({"who":"first"})");
}

}  // namespace
}  // namespace cairn::tests
