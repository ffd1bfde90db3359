// A run that is erased, and whose id is then updated as a run owned elsewhere: the erase goes first.
#include <gmock/gmock.h>

#include <filesystem>

#include "engine/store/upstream.h"
#include "engine/tables/tables.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class ErasedRun : public SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    worker.start("p", R"({"n":0})");
    worker.start("c", "{}", "p");
    worker.sync_with(up);
    ASSERT_EQ(up.state("p"), R"({"n":0})");
  }
  static void erase(Site& of) { ASSERT_TRUE(of.store().erase("p").ok()); }
  static void update_the_parent(Site& of, int by = 1) { of.increment_parent("c", by); }
  /// What the log has is in the tables.
  static void fold(Site& of) {
    ASSERT_TRUE(of.store().barrier().ok());
    (void)of.sync_state();
  }
  static uint64_t waiting(Site& of) {
    EXPECT_TRUE(of.store().barrier().ok());
    return of.sync_state().waiting.runs;
  }
  /// Kinds of the entries about p, in a batch.
  static std::vector<sync::EntryKind> kinds(const std::string& message) {
    std::vector<sync::EntryKind> all;
    const auto batch = sync::decode_batch(message);
    EXPECT_TRUE(batch.ok());
    for (size_t i = 0; batch.ok() && i < batch->entries.size(); ++i) {
      if (batch->entries[i].id == "p") {
        all.push_back(batch->entries[i].kind);
      }
    }
    return all;
  }
  void killed(Site& of) {
    const std::string image = directory_.path() + "/image";
    std::filesystem::copy(of.directory(), image, std::filesystem::copy_options::recursive);
    of.replace_by(image);
  }
  /// The run is gone there; what was done to its id since waits for an owner, and an owner gets it.
  void expect_erased_and_then_updated(Site& at, const std::string& document) {
    EXPECT_EQ(at.state("p"), "waiting {}");
    Site& owner = sender("owner");
    owner.start("p", "{}");
    owner.sync_with(at);
    EXPECT_EQ(at.state("p"), document);
  }

  static constexpr auto kErase = sync::EntryKind::kErase;
  static constexpr auto kDelta = sync::EntryKind::kDelta;
};

TEST_F(ErasedRun, IsErasedUpstreamBeforeAnUpdateOfItsIdAsAParent) {
  erase(worker);
  update_the_parent(worker);
  worker.sync_with(up);
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
  expect_erased_and_then_updated(up, R"({"n":1})");
}

TEST_F(ErasedRun, IsErasedUpstreamBeforeADeltaThatComesInBehindIt) {
  Site& relay = sender("relay");
  Site& child = sender("child");
  Site& top = site("top");
  top.open();
  worker.sync_with(relay);
  ASSERT_TRUE(worker.store().upstream().attach("relay", {}).ok());
  worker.sync_with(relay);
  relay.sync_with(top);
  ASSERT_EQ(top.state("p"), R"({"n":0})");
  child.start("c2", "{}", "p");
  erase(worker);
  worker.sync_with(relay);
  ASSERT_EQ(relay.state("p"), "none");
  child.increment_parent("c2");
  child.sync_with(relay);
  relay.sync_with(top);
  EXPECT_TRUE(relay.sync_state().all_acknowledged);
  expect_erased_and_then_updated(top, R"({"n":1})");
}

TEST_F(ErasedRun, GoesInABatchOfItsOwnBeforeWhatCameBehindIt) {
  erase(worker);
  update_the_parent(worker);
  const std::string first = worker.frozen();
  EXPECT_THAT(kinds(first), ::testing::ElementsAre(kErase));
  worker.feed(up.receiver().handle(first));
  EXPECT_EQ(up.state("p"), "none");
  EXPECT_FALSE(worker.sync_state().all_acknowledged);
  const std::string second = worker.frozen();
  EXPECT_THAT(kinds(second), ::testing::ElementsAre(kDelta));
  worker.feed(up.receiver().handle(second));
  EXPECT_EQ(worker.frozen(), "");
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
}

TEST_F(ErasedRun, AndTheUpdateBehindItSurviveAKillAtAnyMoment) {
  for (const bool folded : {false, true}) {
    Site& sender = machine_of(folded ? "folded" : "logged");
    Site& centre = site(folded ? "folded centre" : "centre");
    sender.open();
    sender.attach();
    centre.open();
    sender.start("p", R"({"n":0})");
    sender.start("c", "{}", "p");
    sender.sync_with(centre);
    const auto dies = [&] {
      if (folded) {
        fold(sender);
      }
      killed(sender);
      sender.attach();
    };
    erase(sender);
    dies();
    update_the_parent(sender, 1);
    dies();
    update_the_parent(sender, 2);
    ASSERT_THAT(kinds(sender.frozen()), ::testing::ElementsAre(kErase));
    dies();
    update_the_parent(sender, 4);
    const std::string again = sender.frozen();
    ASSERT_THAT(kinds(again), ::testing::ElementsAre(kErase));
    sender.feed(centre.receiver().handle(again));
    dies();
    sender.sync_with(centre);
    EXPECT_TRUE(sender.sync_state().all_acknowledged);
    expect_erased_and_then_updated(centre, R"({"n":7})");
    site("owner").close();
    std::filesystem::remove_all(site("owner").directory());
  }
}

TEST_F(ErasedRun, GoesFirstAgainWhenItsBatchComesBack) {
  erase(worker);
  update_the_parent(worker, 1);
  const std::string lost = worker.frozen();
  ASSERT_THAT(kinds(lost), ::testing::ElementsAre(kErase));
  update_the_parent(worker, 2);
  worker.feed(answer_to(lost, sync::Answer::kGap));
  worker.reopen();
  worker.attach();
  std::vector<sync::EntryKind> sent;
  for (std::string message = worker.frozen(); !message.empty(); message = worker.frozen()) {
    for (const sync::EntryKind kind : kinds(message)) {
      sent.push_back(kind);
    }
    worker.feed(up.receiver().handle(message));
  }
  EXPECT_THAT(sent, ::testing::ElementsAre(kErase, kDelta));
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
  expect_erased_and_then_updated(up, R"({"n":3})");
}

TEST_F(ErasedRun, GoesFirstAgainWhenItWasInTheOtherHalf) {
  worker.set("c", "k", "1");
  ASSERT_TRUE(worker.store().barrier().ok());
  erase(worker);
  update_the_parent(worker, 1);
  ASSERT_THAT(kinds(worker.frozen()), ::testing::ElementsAre(kErase));
  ASSERT_TRUE(worker.store().upstream().failed(sync::Failure::kTooLarge, "413", 0).ok());
  worker.clock().advance_ms(61'000);
  const std::string half = worker.frozen();
  ASSERT_THAT(kinds(half), ::testing::IsEmpty());
  worker.feed(up.receiver().handle(half));
  const std::string rest = worker.frozen();
  EXPECT_THAT(kinds(rest), ::testing::ElementsAre(kErase));
  worker.feed(up.receiver().handle(rest));
  worker.sync_later_with(up);
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
  expect_erased_and_then_updated(up, R"({"n":1})");
}

TEST_F(ErasedRun, IsErasedUpstreamThoughWhatCameBehindItIsGivenUp) {
  erase(worker);
  update_the_parent(worker);
  fold(worker);
  erase(worker);
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), "none");
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
}

TEST_F(ErasedRun, GivesWayToARunThatIsStartedUnderItsId) {
  erase(worker);
  update_the_parent(worker, 1);
  fold(worker);
  worker.start("p", R"({"n":10})");
  EXPECT_EQ(waiting(worker), 1u);
  const std::string message = worker.frozen();
  EXPECT_THAT(kinds(message), ::testing::ElementsAre(sync::EntryKind::kValues));
  worker.feed(up.receiver().handle(message));
  EXPECT_EQ(up.state("p"), R"({"n":11})");
  expect_equal();
}

TEST_F(ErasedRun, OfALaterLifeStaysWhenAnEarlierOneComesBack) {
  erase(worker);
  const std::string lost = worker.frozen();
  worker.start("p", R"({"n":5})");
  fold(worker);
  erase(worker);
  update_the_parent(worker);
  worker.feed(answer_to(lost, sync::Answer::kGap));
  worker.sync_later_with(up);
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
  expect_erased_and_then_updated(up, R"({"n":1})");
}

// An erased run and what waits for the owner of its id are two.
TEST_F(ErasedRun, WaitsBesideWhatCameBehindIt) {
  erase(worker);
  EXPECT_EQ(waiting(worker), 1u);
  update_the_parent(worker);
  EXPECT_EQ(waiting(worker), 2u);
  const std::string first = worker.frozen();
  EXPECT_EQ(waiting(worker), 2u);
  engine::Upstream::RunState of;
  ASSERT_TRUE(worker.store().upstream().state("p", of).ok());
  EXPECT_TRUE(of.outbox.waits && of.outbox.in_flight && of.outbox.foreign);
  worker.feed(up.receiver().handle(first));
  EXPECT_EQ(waiting(worker), 1u);
  const std::string second = worker.frozen();
  EXPECT_EQ(waiting(worker), 1u);
  worker.feed(up.receiver().handle(second));
  EXPECT_EQ(waiting(worker), 0u);
}

TEST_F(ErasedRun, IsErasedUpstreamThoughAChangeOfItWasRefused) {
  worker.set("p", "n", "100");
  const std::string refused = worker.frozen();
  up.receiver().handle(refused);
  worker.feed(answer_to(refused, sync::Answer::kOk, {{0, sync::VerdictCode::kRefusedRun, "not today", 0}}));
  ASSERT_EQ(worker.dead(), std::vector<std::string>{"p: refused"});
  worker.set("p", "n", "200");
  ASSERT_EQ(worker.frozen(), "");
  erase(worker);
  update_the_parent(worker);
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), "none");
  EXPECT_EQ(waiting(worker), 1u);  // the update, behind what was refused
  // What was refused is gone with the run.
  ASSERT_TRUE(worker.store().upstream().release_dead("p", sync::Outbox::Release::kRetry).ok());
  worker.sync_later_with(up);
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
  expect_erased_and_then_updated(up, R"({"n":1})");
}

TEST_F(ErasedRun, AndWhatCameBehindItAreNoDamage) {
  erase(worker);
  update_the_parent(worker);
  fold(worker);
  worker.close();
  engine::Tables::Options o;
  o.directory = worker.directory();
  o.read_only = true;
  auto tables = engine::Tables::open(o);
  ASSERT_TRUE(tables.ok());
  EXPECT_TRUE(
      (*tables)
          ->verify([](const engine::TableDamage& d) { ADD_FAILURE() << d.table << " " << d.key << " " << d.what; })
          .ok());
  tables->reset();
  worker.open();
  worker.attach();
  worker.sync_with(up);
  expect_erased_and_then_updated(up, R"({"n":1})");
}

}  // namespace
}  // namespace cairn::tests
