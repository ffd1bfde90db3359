// Batches that the upstream, or something on the way to it, does not take.
#include <gmock/gmock.h>

#include <algorithm>

#include "engine/diff/diff.h"
#include "engine/diff/fold.h"
#include "engine/store/upstream.h"
#include "engine/tables/format.h"
#include "engine/tables/tables.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Refused : public SyncTest {
 protected:
  using Failure = sync::Failure;
  static constexpr const char* kKey = "a key that takes its room";

  /// A child of a run that is elsewhere, and an update of that run.
  void add_to_parent(double n) {
    if (worker.state("c") == "none") {
      worker.start("c", "{}", "p");
    }
    auto parent = worker.store().parent(*worker.run("c"));
    ASSERT_TRUE(parent.ok());
    const Status s = update(worker.store(), **parent, OperationType::kIncrement, kKey, Value(n));
    ASSERT_TRUE(s.worked()) << said(s);
  }
  void wait_for_next_try() { worker.clock().advance_ms(61'000); }
  /// Operations that do not fold into each other. Returns how many were taken.
  int mix_into_parent(int times) {
    if (worker.state("c") == "none") {
      worker.start("c", "{}", "p");
    }
    auto parent = worker.store().parent(*worker.run("c"));
    EXPECT_TRUE(parent.ok());
    int taken = 0;
    for (int i = 0; i < times; ++i, ++mixed_) {
      const bool even = mixed_ % 2 == 0;
      const Status s = update(worker.store(), **parent, even ? OperationType::kIncrement : OperationType::kAppend,
                              even ? "k" : "$.k.x", even ? Value(0.1) : Value(int64_t{1}));
      EXPECT_TRUE(s.worked() || s.code == Code::kBacklog) << said(s);
      if (!s.worked()) {
        break;
      }
      ++taken;
    }
    return taken;
  }
  static size_t operations_in(const sync::DeadLetter& letter) {
    return letter.row.diff.entries.at(0).form.lists->operations.size();
  }
  std::vector<std::pair<std::string, sync::DeadLetter>> letters() {
    std::vector<std::pair<std::string, sync::DeadLetter>> all;
    EXPECT_TRUE(worker.store().upstream().dead_letters(100, all).ok());
    return all;
  }
  /// Closes the worker, writes bytes that do not decode over its letter of "p", and opens it again.
  void damage_letter() {
    const auto id = worker.store().store_id();
    worker.close();
    engine::Tables::Options o;
    o.directory = std::filesystem::absolute(worker.directory());
    o.store_id.assign(reinterpret_cast<const char*>(id.data()), id.size());
    {
      auto tables = engine::Tables::open(o);
      ASSERT_TRUE(tables.ok()) << tables.status().what;
      const Status s = (*tables)->transact(4096, [](engine::TablesTxn& txn) {
        return txn.put(engine::Table::kDead, "p", std::string("\x06\x01 none", 7));
      });
      ASSERT_TRUE(s.ok()) << said(s);
    }
    worker.open();
  }

 private:
  int mixed_ = 0;
};

TEST_F(Refused, WhatIsRefusedOverAndOverStopsGrowing) {
  int taken = 0;
  for (int round = 0; round < 70; ++round) {
    taken += mix_into_parent(62);
    wait_for_next_try();
    worker.feed(backlog_for_deltas(worker.frozen()));
    if (round % 10 == 9) {
      worker.reopen();
      worker.attach();
    }
  }
  EXPECT_EQ(mix_into_parent(1), 0);
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(operations_in(letters()[0].second), static_cast<size_t>(taken));
  EXPECT_GE(taken, static_cast<int>(engine::kKnownOperationsMax));
  EXPECT_LE(taken, static_cast<int>(engine::kKnownOperationsMax + 3 * engine::kOperationsMax));
  worker.reopen();
  worker.attach();
  EXPECT_EQ(mix_into_parent(1), 0);
  up.start("p", R"({"n":0})");
  wait_for_next_try();
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(mix_into_parent(60), 60);
  worker.sync_with(up);
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
}

TEST_F(Refused, WhatWentBackCountsForTheLimit) {
  ASSERT_EQ(mix_into_parent(60), 60);
  const std::string message = worker.frozen();
  worker.feed(answer_to(message, sync::Answer::kOk,
                        {{worker.sync_state().in_flight_entries - 1, sync::VerdictCode::kRefusedRun, "no", 0}}));
  ASSERT_EQ(worker.dead(), std::vector<std::string>{"p: refused"});
  ASSERT_EQ(mix_into_parent(40), 40);
  ASSERT_TRUE(worker.store().upstream().release_dead("p", sync::Outbox::Release::kRetry).ok());
  EXPECT_EQ(mix_into_parent(1), 0) << "100 wait";
  ASSERT_TRUE(worker.store().checkpoint().ok());
  const std::string again = worker.frozen();
  ASSERT_FALSE(again.empty());
  EXPECT_EQ(mix_into_parent(1), 1) << "they are on their way";
  worker.feed(up.receiver().handle(again));
  worker.reopen();
}

TEST_F(Refused, ALetterThatCannotBeReadStopsNoOtherRun) {
  add_to_parent(1);
  worker.feed(backlog_for_deltas(worker.frozen()));
  ASSERT_EQ(worker.dead(), std::vector<std::string>{"p: backlog"});
  damage_letter();
  worker.start("r");
  worker.sync_later_with(up);
  EXPECT_EQ(up.state("r"), "{}");
}

TEST_F(Refused, ARefusalOfARunWhoseLetterCannotBeReadReplacesIt) {
  add_to_parent(1);
  worker.feed(backlog_for_deltas(worker.frozen()));
  wait_for_next_try();
  ASSERT_FALSE(worker.frozen().empty());
  damage_letter();
  worker.feed(backlog_for_deltas(worker.frozen()));
  const auto all = letters();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_NE(all[0].second.text.find("damaged"), std::string::npos) << all[0].second.text;
  EXPECT_TRUE(all[0].second.row.waits()) << "what came back now is held";
  wait_for_next_try();
  worker.start("r");
  worker.sync_later_with(up);
  EXPECT_EQ(up.state("r"), "{}");
  up.start("p", R"({"n":0})");
  EXPECT_EQ(up.state("p"), R"({"n":0,"a key that takes its room":1})");
}

// The letter went back into the outbox, and the batch that took it came back.
TEST_F(Refused, ABacklogThatIsNotInFlightCanBeSkipped) {
  add_to_parent(1);
  worker.feed(backlog_for_deltas(worker.frozen()));
  wait_for_next_try();
  const std::string again = worker.frozen();
  ASSERT_FALSE(again.empty());
  EXPECT_EQ(worker.store().upstream().release_dead("p", sync::Outbox::Release::kSkip).code, Code::kAgain);
  Site& anew = site("anew");
  anew.open();
  worker.feed(anew.receiver().handle(again));
  ASSERT_EQ(worker.dead(), std::vector<std::string>{"p: backlog"});
  const Status s = worker.store().upstream().release_dead("p", sync::Outbox::Release::kSkip);
  EXPECT_TRUE(s.ok()) << said(s);
  EXPECT_TRUE(worker.dead().empty());
  worker.sync_later_with(anew);
  EXPECT_EQ(anew.state("p"), "none");
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
  anew.start("p", R"({"n":0})");
  add_to_parent(2);
  worker.sync_with(anew);
  EXPECT_EQ(anew.state("p"), R"({"n":0,"a key that takes its room":2})");
}

TEST_F(Refused, WhatComesBackAfterItsRunWasErasedKeepsItsHops) {
  Site& child = sender("child");
  child.start("d", "{}", "p");
  child.increment_parent("d");
  child.sync_with(worker);
  worker.feed(backlog_for_deltas(worker.frozen()));
  ASSERT_EQ(worker.dead(), std::vector<std::string>{"p: backlog"});
  ASSERT_EQ(letters()[0].second.row.hops, 1);
  ASSERT_TRUE(worker.store().erase("p").ok());
  wait_for_next_try();
  std::string message = worker.frozen();
  if (message.empty()) {
    message = worker.frozen();
  }
  const auto batch = sync::decode_batch(message);
  ASSERT_TRUE(batch.ok());
  ASSERT_EQ(batch->entries.size(), 1u);
  EXPECT_EQ(batch->entries[0].hops, 2);
}

TEST_F(Refused, WhatFoundABacklogGoesAgainByItself) {
  const auto append_to_parent = [&](int times) {
    auto parent = worker.store().parent(*worker.run("c"));
    ASSERT_TRUE(parent.ok());
    for (int i = 0; i < times; ++i) {
      ASSERT_TRUE(update(worker.store(), **parent, OperationType::kAppend, "$.a.list", Value(int64_t{i})).worked());
    }
  };
  worker.start("c", "{}", "p");
  append_to_parent(40);
  worker.sync_with(up);
  append_to_parent(40);
  worker.feed(up.receiver().handle(worker.frozen()));
  EXPECT_EQ(worker.dead(), std::vector<std::string>{"p: backlog"});
  EXPECT_TRUE(worker.sync_state().waiting.moves);

  Site& owner = sender("owner");
  owner.start("p", R"({"a":{}})");
  owner.sync_with(up);
  append_to_parent(1);
  wait_for_next_try();
  const std::string again = worker.frozen();
  ASSERT_FALSE(again.empty());
  EXPECT_EQ(worker.dead(), std::vector<std::string>{"p: backlog"});  // until it passed
  EXPECT_EQ(worker.store().upstream().release_dead("p", sync::Outbox::Release::kRetry).code, Code::kAgain);
  worker.feed(up.receiver().handle(again));
  EXPECT_TRUE(worker.dead().empty());
  auto view = up.store().peek("p", true);
  ASSERT_TRUE(view.ok() && *view);
  const std::string text = (*view)->record.document.to_json();
  EXPECT_EQ(std::count(text.begin(), text.end(), ','), 80) << text;
  worker.sync_with(up);
  EXPECT_TRUE(worker.sync_state().all_acknowledged);
}

TEST_F(Refused, ABacklogThatStaysIsTriedWithGrowingPausesAlsoAfterAReopen) {
  add_to_parent(1);
  worker.feed(backlog_for_deltas(worker.frozen()));
  const int64_t since = letters().at(0).second.since_us;
  int tries = 0;
  for (int second = 0; second < 300; ++second) {
    worker.clock().advance_ms(1000);
    const std::string message = worker.frozen();
    if (!message.empty()) {
      ++tries;
      worker.feed(backlog_for_deltas(message));
    }
  }
  EXPECT_GE(tries, 5);
  EXPECT_LE(tries, 100);
  worker.reopen();
  worker.attach();
  EXPECT_EQ(letters().at(0).second.since_us, since);
  up.start("p", R"({"n":0})");
  wait_for_next_try();
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(up.state("p"), R"({"n":0,"a key that takes its room":1})");
}

TEST_F(Refused, AProxys413AboutOneRunIsTriedAgain) {
  worker.start("r");
  for (int i = 0; i < 3; ++i) {
    ASSERT_FALSE(worker.frozen().empty());
    ASSERT_TRUE(worker.store().upstream().failed(Failure::kTooLarge, "413", 0).ok());
    EXPECT_TRUE(worker.dead().empty());
    EXPECT_TRUE(worker.frozen().empty());  // not at once
    wait_for_next_try();
  }
  ASSERT_FALSE(worker.frozen().empty());
  ASSERT_TRUE(worker.store().upstream().failed(Failure::kTooLarge, "413", 0).ok());
  worker.sync_with(up);
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_THAT(letters()[0].second.text, ::testing::HasSubstr("a proxy answered 413"));
}

TEST_F(Refused, AProxys413AboutManyRunsIsTriedInHalves) {
  worker.start("a");
  worker.start("b");
  const std::string both = worker.frozen();
  ASSERT_TRUE(worker.store().upstream().failed(Failure::kTooLarge, "413", 0).ok());
  EXPECT_LT(worker.frozen().size(), both.size());
  EXPECT_TRUE(worker.dead().empty());
}

TEST_F(Refused, WhatCannotBeReadThereIsNotCalledTooLarge) {
  worker.start("r");
  for (int i = 0; i < 4; ++i) {
    const std::string message = worker.frozen();
    ASSERT_FALSE(message.empty());
    worker.feed(answer_to(message, sync::Answer::kRefused));
    wait_for_next_try();
  }
  worker.sync_with(up);
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(letters()[0].second.code, sync::VerdictCode::kRefusedRun);
  EXPECT_THAT(letters()[0].second.text, ::testing::HasSubstr("could not read"));
}

TEST_F(Refused, MaxBytesIsWhatFits) {
  for (int i = 0; i < 60; ++i) {
    worker.start("r" + std::to_string(i), R"({"text":")" + std::string(3900, 'x') + "\"}");
  }
  Site& small = site("small");
  small.segment_bytes = 256u << 10;
  small.open();
  const std::string message = worker.frozen();
  ASSERT_FALSE(message.empty());
  const auto reply = sync::decode_reply(small.receiver().handle(message));
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->answer(), sync::Answer::kTooLarge);
  EXPECT_GT(reply->header.max_bytes, 1000u);
  EXPECT_LT(reply->header.max_bytes, message.size());
}

TEST_F(Refused, TwoStoresUnderOneAddressAreSaidAndNotHurried) {
  Site& other = site("other");
  other.open();
  int messages = 0;
  for (int i = 0; i < 200; ++i) {
    worker.set(worker.state("r") == "none" ? (worker.start("r"), "r") : "r", "n", std::to_string(i));
    const std::string message = worker.frozen();
    if (!message.empty()) {
      worker.feed((++messages % 2 == 0 ? other : up).receiver().handle(message));
    }
    worker.clock().advance_ms(100);
  }
  EXPECT_LT(messages, 60);  // in 20 s
  EXPECT_THAT(worker.sync_state().last_error, ::testing::HasSubstr("two stores may answer"));
}

TEST_F(Refused, FractionsForARunElsewhereAreTakenWithoutANetworkAndAddedUp) {
  up.start("p", R"({"n":0})");
  double sum = 0;
  for (int i = 0; i < 700; ++i) {
    sum += 0.1;
    add_to_parent(0.1);
    ASSERT_FALSE(HasFatalFailure());
  }
  worker.sync_with(up);
  worker.sync_with(up);
  EXPECT_TRUE(worker.dead().empty());
  auto view = up.store().peek("p", true);
  ASSERT_TRUE(view.ok() && *view);
  const int at = (*view)->record.document.find(kKey);
  ASSERT_GE(at, 0);
  EXPECT_NEAR(*(*view)->record.document.member(at).value.get<double>(), sum, 1e-6);
}

TEST(SummedOperations, FewFractionsStayOneByOneAndManyBecomeOneSum) {
  engine::Diff diff;
  engine::Operation op;
  op.type = OperationType::kIncrement;
  op.key = "cost";
  op.value = Value(0.5 + 1e-9);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(engine::fold_foreign(diff, op).ok());
  }
  auto& operations = diff.entries.at(0).form.lists->operations;
  EXPECT_EQ(operations.size(), 100u);
  operations.resize(engine::kStoredOperationsMax, op);
  ASSERT_TRUE(engine::fold_foreign(diff, op).ok());
  EXPECT_EQ(diff.entries.at(0).form.lists->operations.size(), 1u);
}

}  // namespace
}  // namespace cairn::tests
