// A run that is started here after others, or this store itself, worked on it as one of elsewhere: what waits goes into
// the run, what is on its way arrives as what others did. Nothing of it is lost or counted twice.
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Claims : public SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    worker.start("c", "{}", "box");
  }
  void increment(Site& s, int by) { s.increment_parent("c", by); }
  Status start_box(Site& s) {
    engine::StartOptions o;
    o.id = "box";
    auto run = s.store().start(o);
    return run.status();
  }
  void expect_upstream(const std::string& box) {
    worker.clock().advance_ms(120'000);
    worker.sync_with(up);
    EXPECT_EQ(up.state("box"), box);
    EXPECT_TRUE(worker.dead().empty());
    EXPECT_TRUE(worker.sync_state().all_acknowledged);
  }
  static std::string n(int of) { return R"({"n":)" + std::to_string(of) + "}"; }
};

TEST_F(Claims, WhatWaitedGoesUpstreamWithTheRun) {
  increment(worker, 5);
  ASSERT_TRUE(start_box(worker).ok());
  worker.apply("box", OperationType::kIncrement, "n", "1");
  EXPECT_EQ(worker.state("box"), n(6));
  expect_upstream(n(6));
}

TEST_F(Claims, WhatIsOnItsWayIsAnothersIncrementThere) {
  increment(worker, 5);
  const std::string batch = worker.frozen();
  increment(worker, 2);
  ASSERT_TRUE(start_box(worker).ok());
  EXPECT_EQ(worker.state("box"), n(2));
  worker.apply("box", OperationType::kIncrement, "n", "1");
  worker.feed(up.receiver().handle(batch));
  expect_upstream(n(8));
  worker.apply("box", OperationType::kIncrement, "n", "1");
  expect_upstream(n(9));
  ASSERT_TRUE(worker.store().refresh("box").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("box"), n(9)) << "it comes back";
}

// Else the next batch would be made of tables that do not know the start, and what waited would go out twice.
TEST_F(Claims, TheStartIsOnTheDiskBeforeTheNextBatchIsMade) {
  increment(worker, 5);
  ASSERT_TRUE(worker.store().barrier().ok());
  ASSERT_TRUE(worker.store().checkpoint().ok());
  ASSERT_TRUE(start_box(worker).ok());
  ASSERT_TRUE(worker.store().upstream().control(engine::Upstream::Control::kHurry).ok());
  std::string message;
  ASSERT_TRUE(worker.store().upstream().next(message).ok());
  auto batch = sync::decode_batch(message);
  ASSERT_TRUE(batch.ok());
  for (const sync::Entry& e : batch->entries) {
    EXPECT_EQ(e.kind, sync::EntryKind::kValues) << e.id;
  }
  worker.feed(up.receiver().handle(message));
  expect_upstream(n(5));
}

TEST_F(Claims, WhatComesBackIsTakenIntoTheRun) {
  increment(worker, 5);
  const std::string batch = worker.frozen();
  ASSERT_TRUE(start_box(worker).ok());
  ASSERT_TRUE(worker.store().upstream().failed(sync::Failure::kTooLarge, "413").ok());
  expect_upstream(n(5));
  EXPECT_EQ(worker.state("box"), n(5));
}

// The rest of a batch that was halved comes back when its half is acknowledged, with nothing folded since the start.
TEST_F(Claims, WhatComesBackOfABatchThatWasHalvedIsTakenIntoTheRun) {
  worker.sync_with(up);
  worker.set("c", "x", "1");
  ASSERT_TRUE(worker.store().barrier().ok());
  increment(worker, 5);
  ASSERT_FALSE(worker.frozen().empty());
  ASSERT_TRUE(worker.store().upstream().failed(sync::Failure::kTooLarge, "413").ok());
  const std::string half = worker.next();
  ASSERT_EQ(sync::decode_batch(half)->entries.size(), 1u);
  ASSERT_EQ(sync::decode_batch(half)->entries[0].id, "c");
  ASSERT_TRUE(start_box(worker).ok());
  worker.feed(up.receiver().handle(half));
  expect_upstream(n(5));
  EXPECT_EQ(worker.state("box"), n(5));
}

TEST_F(Claims, AlsoIfTheUpstreamHadItAndOnlyTheAnswerWasLost) {
  increment(worker, 5);
  const std::string batch = worker.frozen();
  up.receiver().handle(batch);
  ASSERT_TRUE(start_box(worker).ok());
  worker.reopen();
  worker.attach();
  expect_upstream(n(5));
}

TEST_F(Claims, WhatTheUpstreamRefusedIsTakenHereWhenItIsTriedAgain) {
  worker.sync_with(up);
  increment(worker, 5);
  worker.feed(answer_to(worker.frozen(), sync::Answer::kOk, {{0, sync::VerdictCode::kBacklog, ""}}));
  ASSERT_EQ(worker.dead(), std::vector<std::string>{"box: backlog"});
  ASSERT_TRUE(start_box(worker).ok());
  ASSERT_TRUE(worker.store().upstream().release_dead("box", sync::Outbox::Release::kRetry).ok());
  expect_upstream(n(5));
}

TEST_F(Claims, AReceiverThatStartsTheRunItselfHasWhatCame) {
  increment(worker, 5);
  worker.sync_with(up);
  ASSERT_EQ(up.state("box"), "waiting {}");
  ASSERT_TRUE(start_box(up).ok());
  EXPECT_EQ(up.state("box"), n(5));
  increment(worker, 1);
  expect_upstream(n(6));
}

TEST_F(Claims, AnotherStoresRunIsNotStartedAndItsOwnerIsNamed) {
  Site& owner = sender("owner");
  owner.start("box");
  owner.sync_with(up);
  const std::string id = engine::owner_text(owner.sync_state().sender.owner);
  EXPECT_EQ(start_box(up).code, Code::kExists);
  EXPECT_NE(engine::error_detail().message.find(id), std::string::npos) << engine::error_detail().message;
  increment(worker, 5);
  worker.sync_with(up);
  ASSERT_TRUE(worker.store().refresh("box").ok());
  worker.sync_with(up);
  EXPECT_EQ(start_box(worker).code, Code::kExists) << "the upstream has named its owner";
  EXPECT_NE(engine::error_detail().message.find(id), std::string::npos) << engine::error_detail().message;
  expect_upstream(n(5));
}

// As two slots of one directory may: the second one's run goes there under another id.
TEST_F(Claims, TheDeadLetterOfAnIdThatIsTakenSaysWhoHasItAndWhatHelps) {
  Site& second = sender("second");
  worker.start("same", R"({"of":1})");
  second.start("same", R"({"of":2})");
  worker.sync_with(up);
  second.sync_with(up);
  std::vector<std::pair<std::string, sync::DeadLetter>> letters;
  ASSERT_TRUE(second.store().upstream().dead_letters(10, letters).ok());
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_NE(letters[0].second.text.find(engine::owner_text(worker.sync_state().sender.owner)), std::string::npos);
  EXPECT_NE(letters[0].second.text.find("under an id of its own"), std::string::npos) << letters[0].second.text;
  auto view = second.store().peek("same", true);
  ASSERT_TRUE(view.ok() && *view);
  engine::RunRecord record = (*view)->record;
  record.id = "other";
  ASSERT_TRUE(second.store().import_run(std::move(record), false).ok());
  ASSERT_TRUE(second.store().upstream().release_dead("same", sync::Outbox::Release::kSkip).ok());
  ASSERT_TRUE(second.store().erase("same").ok());
  second.sync_with(up);
  EXPECT_EQ(up.state("same"), R"({"of":1})");
  EXPECT_EQ(up.state("other"), R"({"of":2})");
  EXPECT_TRUE(second.sync_state().all_acknowledged);
}

TEST_F(Claims, ACopyClaimsNothingBeforeSomebodySaysWhatItIs) {
  increment(worker, 5);
  Site& copy = site("copy");
  worker.copy_to(copy);
  copy.open();
  EXPECT_EQ(start_box(copy).code, Code::kInvalidArgument) << "the original sends what waits";
  ASSERT_TRUE(copy.store().upstream().resolve_copy(false).ok());
  EXPECT_TRUE(start_box(copy).ok());
  EXPECT_EQ(copy.state("box"), "{}");
}

TEST_F(Claims, ARunThatNamesItselfAsItsParentIsRefusedFromOutside) {
  worker.start("r");
  std::string batch = worker.frozen();
  auto decoded = sync::decode_batch(batch);
  ASSERT_TRUE(decoded.ok());
  std::string body;
  for (sync::Entry& e : decoded->entries) {
    if (e.id == "r") {
      e.head->parent = "r";
    }
    sync::append_entry(body, e, decoded->header.wall_us);
  }
  batch = sync::seal_batch(decoded->header, static_cast<uint32_t>(decoded->entries.size()), body);
  const auto reply = sync::decode_reply(up.receiver().handle(batch));
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->verdicts.size(), 1u);
  EXPECT_EQ(reply->verdicts[0].code, sync::VerdictCode::kRefusedRun);
  EXPECT_EQ(up.state("c"), "{}");
  EXPECT_EQ(up.state("r"), "none");
}

}  // namespace
}  // namespace cairn::tests
