// Runs that more than one store writes: forms travel, nobody's work is overwritten, nothing counts twice.
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class SeveralWriters : public SyncTest {
 protected:
  /// A store that increments `n` of the run "p", which it knows as its run's parent.
  Site& child(const std::string& name) {
    Site& s = site(name);
    s.open();
    s.attach();
    auto run = s.start("c_" + name, "{}", "p");
    auto parent = s.store().parent(*run);
    EXPECT_TRUE(parent.ok());
    parents_[name] = *parent;
    return s;
  }
  void increment(const std::string& name, int n) {
    EXPECT_TRUE(
        update(site(name).store(), *parents_[name], OperationType::kIncrement, "n", Value(int64_t{n})).worked());
  }

  std::map<std::string, engine::RunRef> parents_;
};

TEST_F(SeveralWriters, TheOwnerSetsWhileAnotherStoreIncrements) {
  worker.start("p", R"({"a":0,"n":0})");
  worker.sync_with(up);
  Site& other = child("other");
  for (int i = 1; i <= 1000; ++i) {
    increment("other", 1);
    worker.set("p", "a", std::to_string(i));
    if (i % 7 == 0) {
      worker.sync_with(up);
    }
    if (i % 11 == 0) {
      other.sync_with(up);
    }
  }
  worker.sync_with(up);
  other.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":1000,"n":1000})");
  EXPECT_EQ(worker.state("p"), R"({"a":1000,"n":0})");
  ASSERT_TRUE(worker.store().refresh("p").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("p"), R"({"a":1000,"n":1000})");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":1000,"n":1000})") << "what was taken over is not sent back";
  ASSERT_TRUE(other.store().refresh("p").ok());
  other.sync_with(up);
  EXPECT_EQ(other.state("p"), R"(waiting {"a":1000,"n":1000})");
}

TEST_F(SeveralWriters, BothIncrementTheSameKey) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  Site& other = child("other");
  for (int i = 0; i < 500; ++i) {
    increment("other", 1);
    worker.apply("p", OperationType::kIncrement, "n", "1");
    if (i % 13 == 0) {
      other.sync_with(up);
    }
    if (i % 17 == 0) {
      worker.sync_with(up);
    }
  }
  other.sync_with(up);
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":1000})");
  ASSERT_TRUE(worker.store().refresh("p").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("p"), R"({"n":1000})");
}

TEST_F(SeveralWriters, WhatComesBeforeTheOwnersFirstWordWaitsForIt) {
  Site& one = child("one");
  Site& two = child("two");
  increment("one", 3);
  increment("two", 4);
  one.sync_with(up);
  two.sync_with(up);
  EXPECT_EQ(up.state("p"), "waiting {}");
  up.reopen();
  worker.start("p", R"({"n":10})");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":17})");
  worker.apply("p", OperationType::kIncrement, "n", "1");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":18})");
}

TEST_F(SeveralWriters, AChangeAtTheUpstreamIsKept) {
  worker.start("p", R"({"a":1})");
  worker.sync_with(up);
  up.set("p", "note", R"("seen")");
  worker.set("p", "a", "2");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":2,"note":"seen"})");
  EXPECT_NE(up.store().finish(*up.run("p"), engine::RunStatus::kCompleted).code, Code::kOk);
  up.reopen();
  worker.set("p", "a", "3");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":3,"note":"seen"})");
  ASSERT_TRUE(worker.store().refresh("p").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("p"), R"({"a":3,"note":"seen"})");
  expect_equal();
  worker.reopen();
  EXPECT_EQ(worker.state("p"), R"({"a":3,"note":"seen"})");
}

TEST_F(SeveralWriters, ARefreshKeepsWhatIsNotSentYet) {
  worker.start("p", R"({"a":1,"n":0})");
  worker.sync_with(up);
  Site& other = child("other");
  increment("other", 5);
  other.sync_with(up);
  worker.set("p", "a", "2");
  worker.apply("p", OperationType::kIncrement, "n", "1");
  worker.sync_with(up);  // the upstream says that others write this run
  worker.apply("p", OperationType::kIncrement, "n", "1");
  ASSERT_TRUE(worker.store().refresh("p").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("p"), R"({"a":2,"n":7})");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":2,"n":7})");
}

// The answer to the batch is lost, and the host asks for a refresh: the upstream may have the batch, or not.
TEST_F(SeveralWriters, ARefreshKeepsWhatIsOnItsWay) {
  worker.start("p", R"({"a":1})");
  worker.sync_with(up);
  worker.set("p", "b", "2");
  (void)worker.store().upstream().control(engine::Upstream::Control::kHurry);
  ASSERT_FALSE(worker.next().empty());
  ASSERT_TRUE(worker.store().upstream().failed(sync::Failure::kTransient, "lost").ok());
  ASSERT_TRUE(worker.store().refresh("p").ok());
  worker.clock().advance_ms(120'000);
  worker.sync_with(up);
  EXPECT_EQ(worker.state("p"), R"({"a":1,"b":2})");
  EXPECT_EQ(up.state("p"), R"({"a":1,"b":2})");
}

TEST_F(SeveralWriters, ARefreshKeepsWhatIsHeld) {
  worker.start("p", R"({"a":1})");
  worker.sync_with(up);
  up.set("p", "theirs", "1");
  worker.set("p", "b", "2");
  (void)worker.store().upstream().control(engine::Upstream::Control::kHurry);
  worker.feed(answer_to(worker.next(), sync::Answer::kOk, {{0, sync::VerdictCode::kTooLarge, ""}}));
  ASSERT_EQ(worker.dead(), std::vector<std::string>{"p: too large"});
  worker.set("p", "c", "3");
  ASSERT_TRUE(worker.store().refresh("p").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("p"), R"({"a":1,"theirs":1,"b":2,"c":3})");
}

// The run is in memory, so its handle sees what comes down with what is not sent on top.
TEST_F(SeveralWriters, ARefreshOfAnOpenRunHasBothIncrements) {
  auto run = worker.start("r", R"({"n":0})");
  worker.sync_with(up);
  up.apply("r", OperationType::kIncrement, "n", "5");
  worker.apply(run, OperationType::kIncrement, "n", "1");
  worker.sync_with(up);
  worker.apply(run, OperationType::kIncrement, "n", "1");
  ASSERT_TRUE(worker.store().refresh("r").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("r"), R"({"n":7})");
  EXPECT_EQ(up.state("r"), R"({"n":7})");
}

// Sent whole once more, to the upstream that has it: others' changes stay, and so does what waited here.
TEST_F(SeveralWriters, AnotherNameOfTheUpstreamLosesNothingOfWhatOthersWrote) {
  worker.start("p", R"({"n":1,"a":1})");
  worker.start("q", R"({"a":1})");
  worker.sync_with(up);
  for (const char* id : {"p", "q"}) {
    up.apply(id, OperationType::kIncrement, "n", "5");
  }
  ASSERT_TRUE(worker.store().upstream().attach("another name", {}).ok());
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  worker.set("p", "a", "2");
  worker.apply("p", OperationType::kIncrement, "n", "1");
  ASSERT_TRUE(worker.store().upstream().attach("a third name", {}).ok());
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(up.state("p"), R"({"n":7,"a":2})");
  EXPECT_EQ(up.state("q"), R"({"a":1,"n":5})");
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
}

// The upstream lost some of the owner's changes, and others have written since: what is right a person decides.
TEST_F(SeveralWriters, ARestoredUpstreamThatOthersWroteToIsADeadLetterThatCanBeReplaced) {
  worker.start("p", R"({"n":1,"a":1})");
  worker.sync_with(up);
  up.apply("p", OperationType::kIncrement, "n", "5");
  Site& backup = site("backup");
  up.copy_to(backup);
  worker.set("p", "a", "2");
  worker.sync_with(up);
  worker.set("p", "a", "3");
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":6,"a":3})");
  backup.open();
  worker.set("p", "b", "1");
  worker.sync_with(backup);
  EXPECT_EQ(worker.dead(), std::vector<std::string>{"p: shared"});
  EXPECT_EQ(backup.state("p"), R"({"n":6,"a":1})");
  ASSERT_TRUE(worker.store().upstream().release_dead("p", sync::Outbox::Release::kReplace).ok());
  worker.sync_with(backup);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(backup.state("p"), worker.state("p")) << "as it is here";
}

// A run that was to be sent whole, with nothing new, begins nowhere: it does not pass for one step beyond what is
// there.
TEST_F(SeveralWriters, ARestoredUpstreamThatLacksTheLastChangeIsNotToldThatItHasIt) {
  worker.start("p", R"({"a":1})");
  worker.sync_with(up);
  up.apply("p", OperationType::kIncrement, "n", "5");
  Site& backup = site("backup");
  up.copy_to(backup);
  worker.set("p", "a", "2");
  worker.sync_with(up);
  backup.open();
  worker.start("q");
  for (int gaps = 0; gaps < 2; ++gaps) {  // the second one puts back what was to be sent whole
    ASSERT_TRUE(worker.store().upstream().control(engine::Upstream::Control::kHurry).ok());
    const auto sent = sync::decode_batch_header(worker.next());
    ASSERT_TRUE(sent.ok());
    sync::ReplyHeader gap;
    gap.answer = static_cast<uint8_t>(sync::Answer::kGap);
    gap.stream = sent->stream;
    gap.for_seq = sent->seq;
    gap.for_digest = sent->digest;
    worker.feed(sync::encode_reply(gap, {}));
  }
  worker.sync_later_with(backup);
  EXPECT_EQ(worker.dead(), std::vector<std::string>{"p: shared"});
  EXPECT_EQ(backup.state("p"), R"({"a":1,"n":5})");
  EXPECT_EQ(backup.state("q"), "{}");
}

TEST_F(SeveralWriters, AnotherStoreCannotTakeARunOver) {
  worker.start("p", R"({"a":1})");
  worker.sync_with(up);
  Site& other = sender("other");
  other.start("p", R"({"mine":1})");
  other.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":1})");
  EXPECT_EQ(other.dead(), std::vector<std::string>{"p: owned by another store"});
  other.set("p", "mine", "2");
  other.start("q");
  other.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"a":1})");
  EXPECT_EQ(up.state("q"), "{}") << "others flow";
}

}  // namespace
}  // namespace cairn::tests
