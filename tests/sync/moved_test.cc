// A store that was moved while a batch was on its way: what became of that batch is learnt first, and counts once.
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using sync::Halt;

class Moved : public SyncTest {
 protected:
  // `before` has a run that others write, one of its own, and a child of a run of the worker's; of each something is in
  // `batch`, frozen and not yet sent.
  void SetUp() override {
    SyncTest::SetUp();
    worker.start("p", R"({"n":0})");
    worker.sync_with(up);
    before.fixed_identity = true;
    before.open();
    before.attach();
    before.start("shared", R"({"n":0})");
    before.start("own", R"({"n":0})");
    before.start("child", "{}", "p");
    before.sync_with(up);
    up.apply("shared", OperationType::kIncrement, "n", "100");
    before.apply("shared", OperationType::kIncrement, "n", "1");
    before.sync_with(up);
    before.apply("shared", OperationType::kIncrement, "n", "1");
    before.apply("own", OperationType::kIncrement, "n", "1");
    before.increment_parent("child");
    batch = before.frozen();
    ASSERT_FALSE(batch.empty());
    ASSERT_EQ(up.state("shared"), R"({"n":101})");
  }
  void send(const std::string& expected) {
    const std::string message = after.next();
    EXPECT_EQ(message, expected);
    after.feed(up.receiver().handle(message));
  }
  void move() {
    before.copy_to(after);
    before.close();
    after.open();
    ASSERT_EQ(after.sync_state().sender.halt, Halt::kCopied);
    ASSERT_TRUE(after.store().upstream().resolve_copy(true).ok());
  }
  void expect(const std::string& shared, const std::string& own, const std::string& parent) {
    EXPECT_EQ(up.state("shared"), shared);
    EXPECT_EQ(up.state("own"), own);
    EXPECT_EQ(up.state("p"), parent);
    EXPECT_EQ(after.dead(), std::vector<std::string>{});
    EXPECT_EQ(after.sync_state().sender.halt, Halt::kNone) << after.sync_state().last_error;
  }

  Site& before = site("before");
  Site& after = site("after");
  std::string batch;
};

TEST_F(Moved, ABatchThatHadArrivedCountsOnce) {
  up.receiver().handle(batch);  // and the answer does not arrive
  move();
  send(batch);
  after.apply("shared", OperationType::kIncrement, "n", "1");
  after.increment_parent("child");
  after.sync_with(up);
  expect(R"({"n":103})", R"({"n":1})", R"({"n":2})");
  EXPECT_EQ(after.sync_state().sender.rotations, 0u) << "the stream goes on";
}

TEST_F(Moved, ABatchThatHadNotArrivedIsSent) {
  move();
  EXPECT_EQ(after.next(), batch);
  after.reopen();
  send(batch);  // of a process that was killed, too
  after.sync_with(up);
  expect(R"({"n":102})", R"({"n":1})", R"({"n":1})");
  EXPECT_EQ(after.sync_state().sender.rotations, 0u) << "the stream goes on";
}

// The copy is older than what the original sent: it takes that over before it goes on.
TEST_F(Moved, AnOlderStateTakesWhatWasSentSince) {
  before.copy_to(after);
  before.sync_with(up);
  before.set("own", "later", "true");
  before.sync_with(up);
  before.close();
  after.open();
  ASSERT_TRUE(after.store().upstream().resolve_copy(true).ok());
  after.sync_with(up);
  EXPECT_EQ(after.sync_state().sender.halt, Halt::kNone) << "it was told once, which is enough";
  EXPECT_EQ(after.state("own"), R"({"n":1,"later":true})");
  after.set("own", "seen", "true");
  after.sync_with(up);
  EXPECT_EQ(up.state("own"), R"({"n":1,"later":true,"seen":true})");
  EXPECT_EQ(up.state("p"), R"({"n":1})");
  EXPECT_EQ(after.dead(), std::vector<std::string>{"p: may have been sent"});
}

// Another batch of the same number was there first.
TEST_F(Moved, ACopyThatWasTooLateTakesWhatTheOtherOneSent) {
  before.feed(up.receiver().handle(batch));
  before.copy_to(after);
  before.set("own", "by", R"("before")");
  before.sync_with(up);
  before.close();
  after.open();
  after.set("own", "late", "true");
  ASSERT_TRUE(after.store().upstream().resolve_copy(true).ok());
  // It is asked for what is newer first; what is sent since comes in between.
  const std::string question = after.next();
  after.feed(up.receiver().handle(question));
  after.sync_with(up);
  EXPECT_EQ(after.sync_state().sender.halt, Halt::kNone);
  EXPECT_EQ(up.state("own"), R"({"n":1,"by":"before","late":true})");
  EXPECT_EQ(after.state("own"), up.state("own"));
}

// Frozen by both from the same state, with other changes: the copy is told that it goes on, and is second.
TEST_F(Moved, AForkOfOneThatWasToldToGoOnIsNoHalt) {
  before.feed(up.receiver().handle(batch));
  before.copy_to(after);
  after.fixed_identity = true;  // it is not seen, and freezes
  after.open();
  after.set("own", "copy", "true");
  const std::string second = after.frozen();
  ASSERT_FALSE(second.empty());
  after.fixed_identity = false;
  after.reopen();
  ASSERT_EQ(after.sync_state().sender.halt, Halt::kCopied);
  before.set("own", "original", "true");
  before.sync_with(up);
  before.close();
  ASSERT_TRUE(after.store().upstream().resolve_copy(true).ok());
  send(second);
  after.sync_with(up);
  EXPECT_EQ(after.sync_state().sender.halt, Halt::kNone) << after.sync_state().last_error;
  EXPECT_EQ(up.state("own"), R"({"n":1,"original":true,"copy":true})");
  EXPECT_EQ(after.state("own"), up.state("own"));
}

TEST_F(Moved, AnUpstreamThatLostEverythingGetsEverything) {
  up.receiver().handle(batch);
  move();
  Site& fresh = site("fresh");
  fresh.open();
  after.sync_with(fresh);
  EXPECT_EQ(after.sync_state().sender.halt, Halt::kNone) << after.sync_state().last_error;
  EXPECT_EQ(fresh.state("shared"), after.state("shared"));
  EXPECT_EQ(fresh.state("own"), R"({"n":1})");
  EXPECT_EQ(fresh.state("child"), "{}");
}

// The original had gone to another upstream, which does not know the stream of the copy: nor is the copy's state newer.
TEST_F(Moved, WhereTheOriginalWentOnNothingIsTakenBack) {
  before.copy_to(after);
  Site& elsewhere = site("elsewhere");
  elsewhere.open();
  ASSERT_TRUE(before.store().upstream().attach("elsewhere", {}).ok());
  before.sync_with(elsewhere);
  before.set("own", "later", "true");
  before.sync_with(elsewhere);
  before.close();
  after.open();
  ASSERT_TRUE(after.store().upstream().attach("elsewhere", {}).ok());
  ASSERT_TRUE(after.store().upstream().resolve_copy(true).ok());
  after.sync_with(elsewhere);
  EXPECT_EQ(after.sync_state().sender.halt, Halt::kNone) << after.sync_state().last_error;
  EXPECT_EQ(elsewhere.state("own"), R"({"n":1,"later":true})");
  EXPECT_EQ(after.state("own"), R"({"n":1,"later":true})");
}

// The stream of the copy was retired, and no run is left whose documents could tell.
class MovedWithoutARun : public Moved {
 protected:
  void SetUp() override {
    Moved::SetUp();
    Site& lone = sender("lone");
    lone.start("gone", "{}");
    lone.sync_with(up);
    ASSERT_TRUE(lone.store().erase("gone").ok());
    lone.sync_with(up);
    lone.copy_to(after);
    Site& elsewhere = site("elsewhere");
    elsewhere.open();
    ASSERT_EQ(lone.sync_state().sender.halt, Halt::kNone);
    lone.start("new", R"({"n":1})");
    lone.sync_with(elsewhere);  // does not know it, nor does `up` then: a new stream at each
    lone.set("new", "n", "2");
    lone.sync_with(up);
    lone.sync_later_with(up);
    lone.close();
    after.open();
    ASSERT_TRUE(after.store().upstream().resolve_copy(true).ok());
    after.sync_with(up);
  }
};

TEST_F(MovedWithoutARun, ItLearnsThatItsStreamHasASuccessor) {
  after.start("later", "{}");
  after.sync_with(up);
  EXPECT_EQ(after.sync_state().sender.halt, Halt::kNone) << after.sync_state().last_error;
  EXPECT_EQ(up.state("later"), "{}");
  EXPECT_EQ(up.state("new"), R"({"n":2})");
}

// Told only by the answer to its next batch, it would take what is in that for what may have been sent before.
TEST_F(MovedWithoutARun, ItLearnsThatBeforeItSendsWhatItDoesToOthersRuns) {
  after.start("later", "{}", "p");
  after.increment_parent("later");
  after.sync_with(up);
  EXPECT_EQ(after.dead(), std::vector<std::string>{});
  EXPECT_EQ(up.state("p"), R"({"n":1})");
}

}  // namespace
}  // namespace cairn::tests
