// One worker, one upstream, no faults: what arrives is what was there.
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using Exchange = SyncTest;

TEST_F(Exchange, ARunArrivesWithEverythingThatItHas) {
  engine::StartOptions o;
  o.id = "r";
  o.task = "resize";
  o.tags = {"blue", "tall"};
  o.metadata = *engine::parse_json(R"({"progress":0,"log":[]})")->get<engine::Object>();
  ASSERT_TRUE(worker.store().start(o).ok());
  worker.set("r", "progress", "0.5");
  worker.apply("r", OperationType::kAppend, "log", R"("one")");
  EXPECT_EQ(worker.sync_with(up), 1);
  EXPECT_EQ(up.state("r"), R"({"progress":0.5,"log":["one"]})");
  expect_equal();
}

TEST_F(Exchange, ManyUpdatesAreOneSmallBatch) {
  auto run = worker.start("r", R"({"n":0,"phase":"a"})");
  worker.sync_with(up);
  worker.bytes_sent = 0;
  for (int i = 0; i < 10'000; ++i) {
    worker.apply(run, OperationType::kIncrement, "n", "1");
    worker.apply(run, OperationType::kSet, "phase", i % 2 == 0 ? R"("a")" : R"("b")");
  }
  EXPECT_EQ(worker.sync_with(up), 1);
  EXPECT_LT(worker.bytes_sent, sizeof(sync::BatchHeader) + 64);
  EXPECT_EQ(up.state("r"), R"({"n":10000,"phase":"b"})");
}

TEST_F(Exchange, NothingIsSentWhenNothingChanges) {
  worker.start("r");
  worker.sync_with(up);
  EXPECT_EQ(worker.sync_with(up), 0);
  worker.clock().advance_ms(100'000);
  EXPECT_EQ(worker.next(), "");
}

TEST_F(Exchange, FinishAndEraseTravel) {
  worker.start("a", R"({"x":1})");
  worker.start("b", R"({"x":1})");
  worker.start("never", R"({"x":1})");
  ASSERT_TRUE(worker.store().erase("never").ok());
  worker.sync_with(up);
  EXPECT_EQ(up.state("never"), "none");
  worker.set("a", "x", "2");
  ASSERT_TRUE(worker.store()
                  .finish(*worker.run("a"), engine::RunStatus::kFailed, engine::Durability::kDefault, "no disk")
                  .ok());
  ASSERT_TRUE(worker.store().erase("b").ok());
  worker.sync_with(up);
  EXPECT_EQ(up.state("a"), R"(FAILED {"x":2})");
  EXPECT_EQ(up.state("b"), "none");
  expect_equal();
}

TEST_F(Exchange, AnIdThatIsTakenAgainIsTheNewRunUpstream) {
  worker.start("r", R"({"old":1})");
  worker.sync_with(up);
  ASSERT_TRUE(worker.store().erase("r").ok());
  worker.start("r", R"({"new":1})");
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"new":1})");
  worker.set("r", "new", "2");
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"new":2})");
}

TEST_F(Exchange, TheOrderOfKeysArrives) {
  worker.start("r", R"({"a":1,"b":2,"c":3})");
  worker.sync_with(up);
  worker.apply("r", OperationType::kDelete, "a", "null");
  worker.set("r", "a", "9");
  worker.set("r", "d", "4");
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"b":2,"c":3,"a":9,"d":4})");
  engine::Outcome outcome;
  ASSERT_TRUE(
      worker.store()
          .apply(*worker.run("r"), {OperationType::kReplace, "", *engine::parse_json(R"({"z":1,"y":2})")}, outcome)
          .ok());
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"z":1,"y":2})");
}

TEST_F(Exchange, TypesArriveExactly) {
  worker.start("r", R"({"i":1,"d":1.0,"big":18446744073709551615,"neg":-0.0,"s":"\u00e9","n":null,"o":{"a":[1,{}]}})");
  worker.sync_with(up);
  EXPECT_TRUE(worker.store().peek("r", true)->value().record.document ==
              up.store().peek("r", true)->value().record.document);
}

TEST_F(Exchange, SurvivesAReopenOfBoth) {
  worker.start("r", R"({"n":0})");
  worker.sync_with(up);
  worker.set("r", "n", "1");
  worker.reopen();
  up.reopen();
  EXPECT_EQ(worker.sync_with(up), 1);
  EXPECT_EQ(up.state("r"), R"({"n":1})");
  EXPECT_EQ(worker.sync_state().sender.batches, 2u);
}

TEST_F(Exchange, RunsFromBeforeTheUpstreamWasSetAreSentToo) {
  Site& other = site("other");
  other.open();
  for (int i = 0; i < 25; ++i) {
    other.start("old" + std::to_string(i), R"({"i":)" + std::to_string(i) + "}");
  }
  other.set("old3", "more", "true");
  sync::SenderOptions small;
  small.limits.entries = 10;
  other.attach(small);
  other.set("old4", "more", "true");
  EXPECT_EQ(other.sync_with(up), 3);
  EXPECT_EQ(other.all(), up.all());
  EXPECT_EQ(up.state("old4"), R"({"i":4,"more":true})");
}

TEST_F(Exchange, ABatchKeepsItsLimitOfBytes) {
  Site& other = site("other");
  other.open();
  sync::SenderOptions small;
  small.limits.bytes = 2000;
  other.attach(small);
  for (int i = 0; i < 20; ++i) {
    other.start("r" + std::to_string(i), R"({"text":")" + std::string(500, 'x') + "\"}");
  }
  other.start("alone", R"({"text":")" + std::string(3000, 'x') + "\"}");
  EXPECT_GE(other.sync_with(up), 7);
  EXPECT_EQ(other.all(), up.all());
}

TEST_F(Exchange, OptionsThatAreGivenAgainCountFromTheNextBatchOn) {
  for (int i = 0; i < 6; ++i) {
    worker.start("r" + std::to_string(i));
  }
  EXPECT_EQ(worker.sync_with(up), 1);
  worker.reopen();
  sync::SenderOptions small;
  small.limits.entries = 2;
  worker.attach(small);
  for (int i = 0; i < 6; ++i) {
    worker.set("r" + std::to_string(i), "a", "1");
  }
  EXPECT_EQ(worker.sync_with(up), 3);
  expect_equal();
}

// Retention erases here what the upstream has, and the upstream keeps it.
TEST_F(Exchange, AFinishedRunStaysUntilTheUpstreamHasItAndIsForgottenHereAlone) {
  worker.retain_finished_ms = 1000;
  worker.reopen();
  worker.attach();
  up.close();
  worker.start("r", R"({"n":1})");
  worker.finish("r");
  const auto steps = [this] {
    for (int i = 0; i < 100; ++i) {
      worker.clock().advance_ms(1000);
      ASSERT_TRUE(worker.store().step(0).ok());
    }
  };
  steps();
  EXPECT_EQ(worker.state("r"), R"(COMPLETED {"n":1})") << "it waits";
  const std::string message = worker.next();
  ASSERT_FALSE(message.empty());
  steps();
  EXPECT_EQ(worker.state("r"), R"(COMPLETED {"n":1})") << "it is under way";
  worker.reopen();
  steps();
  EXPECT_EQ(worker.state("r"), R"(COMPLETED {"n":1})");
  up.open();
  worker.sync_with(up);
  steps();
  EXPECT_EQ(worker.state("r"), "none");
  worker.start("later");
  worker.reopen();
  worker.sync_with(up);
  EXPECT_EQ(worker.state("r"), "none");
  EXPECT_EQ(up.state("r"), R"(COMPLETED {"n":1})") << "what is erased by somebody is erased there, this is not";
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
}

TEST_F(Exchange, AFinishedRunThatTheUpstreamRefusesStays) {
  up.close();
  up.open(100);
  worker.retain_finished_ms = 1000;
  worker.reopen();
  worker.attach();
  worker.start("big", R"({"text":")" + std::string(300, 'x') + "\"}");
  worker.finish("big");
  worker.sync_with(up);
  ASSERT_EQ(worker.dead().size(), 1u);
  for (int i = 0; i < 100; ++i) {
    worker.clock().advance_ms(1000);
    ASSERT_TRUE(worker.store().step(0).ok());
  }
  EXPECT_NE(worker.state("big"), "none");
}

TEST_F(Exchange, StateSaysWhatWaits) {
  auto run = worker.start("r", R"({"n":0})");
  EXPECT_FALSE(worker.sync_state().all_acknowledged);
  worker.sync_with(up);
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
  engine::Upstream::RunState of;
  ASSERT_TRUE(worker.store().upstream().state("r", of).ok());
  EXPECT_TRUE(of.all_acknowledged);
  EXPECT_EQ(of.outbox.acked_sequence, of.sequence);

  worker.set("r", "n", "1");
  EXPECT_EQ(worker.sync_state().not_logged, 1u);
  ASSERT_TRUE(worker.store().barrier().ok());
  EXPECT_EQ(worker.sync_state().not_logged, 0u);
  EXPECT_EQ(worker.sync_state().waiting.runs, 1u);  // also what only the log had
  ASSERT_TRUE(worker.store().upstream().state("r", of).ok());
  EXPECT_FALSE(of.all_acknowledged);
  EXPECT_EQ(of.outbox.acked_sequence, of.sequence - 1);
  EXPECT_EQ(worker.store().wait_synced(worker.clock().monotonic_ms - 1).code, Code::kTimeout);
  worker.sync_with(up);
  EXPECT_TRUE(worker.store().wait_synced(0).ok());
}

TEST_F(Exchange, AChainOfStoresIsEqualAtItsEnd) {
  Site& centre = site("centre");
  centre.open();
  up.attach();
  worker.start("r", R"({"n":0})");
  worker.sync_with(up);
  worker.apply("r", OperationType::kIncrement, "n", "2");
  worker.finish("r");
  worker.sync_with(up);
  up.sync_with(centre);
  EXPECT_EQ(worker.all(), centre.all());
}

}  // namespace
}  // namespace cairn::tests
