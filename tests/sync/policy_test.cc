// What a host may ask of the upstream: updates that are there when the call returns, and a bound on what waits.
#include <atomic>
#include <thread>

#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using engine::Durability;

class Policy : public SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    worker.upstream_timeout_ms = 20'000;
    worker.reopen();
    worker.attach();
  }
  void TearDown() override {
    stop();
    SyncTest::TearDown();
  }
  /// Carries messages until stop(). The clock goes on with the real one.
  void carry() {
    carrier_ = std::thread([this] {
      while (!over_) {
        std::string message;
        ASSERT_TRUE(worker.store().upstream().next(message).ok());
        if (!message.empty()) {
          ASSERT_TRUE(worker.store().upstream().feed(up.receiver().handle(message)).ok());
          ++messages_;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  void stop() {
    over_ = true;
    if (carrier_.joinable()) {
      carrier_.join();
    }
  }
  Status set(const engine::RunRef& run, int64_t n, Durability durability = Durability::kUpstream) {
    engine::Operation op;
    op.type = OperationType::kSet;
    op.key = "n";
    op.value = Value(n);
    engine::Outcome outcome;
    return worker.store().apply(*run, op, outcome, durability, nullptr);
  }
  std::thread carrier_;
  std::atomic<bool> over_{false};
  std::atomic<int> messages_{0};
};

TEST_F(Policy, AnUpdateOfClassUpstreamIsThereWhenItReturns) {
  carry();
  engine::StartOptions o;
  o.id = "r";
  auto run = worker.store().start(o, Durability::kUpstream);
  ASSERT_TRUE(run.ok()) << said(run.status());
  EXPECT_EQ(up.state("r"), "{}");
  for (int64_t n = 1; n <= 20; ++n) {
    ASSERT_TRUE(set(*run, n).ok());
    EXPECT_EQ(up.state("r"), R"({"n":)" + std::to_string(n) + "}");
  }
  ASSERT_TRUE(worker.store().finish(**run, engine::RunStatus::kCompleted, Durability::kUpstream).ok());
  EXPECT_EQ(up.state("r"), R"(COMPLETED {"n":20})");
  ASSERT_TRUE(worker.store().erase("r", Durability::kUpstream).ok());
  EXPECT_EQ(up.state("r"), "none");
}

TEST_F(Policy, ATransactionOfClassUpstreamIsThereWhole) {
  carry();
  std::vector<engine::RunRef> runs;
  std::vector<engine::Store::RunOperation> operations;
  for (int i = 0; i < 5; ++i) {
    runs.push_back(worker.start("r" + std::to_string(i)));
    engine::Store::RunOperation op;
    op.run = runs.back().get();
    op.op.type = OperationType::kIncrement;
    op.op.key = "n";
    op.op.value = Value(int64_t{i + 1});
    operations.push_back(op);
  }
  size_t failed = 0;
  ASSERT_TRUE(worker.store().transact(operations, Durability::kUpstream, &failed).ok());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(up.state("r" + std::to_string(i)), R"({"n":)" + std::to_string(i + 1) + "}");
  }
}

TEST_F(Policy, WithoutAnUpstreamItIsRefusedAndNothingIsDone) {
  auto run = worker.start("r");
  ASSERT_TRUE(worker.store().upstream().detach().ok());
  EXPECT_EQ(set(run, 1).code, Code::kInvalidArgument);
  EXPECT_EQ(worker.state("r"), "{}");
  engine::StartOptions o;
  o.id = "s";
  EXPECT_EQ(worker.store().start(o, Durability::kUpstream).code(), Code::kInvalidArgument);
  EXPECT_EQ(worker.state("s"), "none");
  EXPECT_EQ(worker.store().erase("r", Durability::kUpstream).code, Code::kInvalidArgument);
  EXPECT_EQ(worker.state("r"), "{}");
}

TEST_F(Policy, WithoutAnAnswerItTimesOutAndIsSentLater) {
  auto run = worker.start("r");
  std::thread clock([this] {
    while (!over_) {
      worker.clock().advance_ms(1000);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_EQ(set(run, 1).code, Code::kTimeout);
  over_ = true;
  clock.join();
  EXPECT_EQ(worker.state("r"), R"({"n":1})") << "it is done here";
  worker.reopen();
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"n":1})");
}

TEST_F(Policy, ARunThatIsHeldEndsTheWaitAndOthersGoOn) {
  up.close();
  up.open(100);
  auto other = worker.start("other");
  auto big = worker.start("big", R"({"text":")" + std::string(300, 'x') + "\"}");
  worker.sync_with(up);
  ASSERT_EQ(worker.dead().size(), 1u);
  carry();
  EXPECT_EQ(set(big, 1).code, Code::kTimeout);
  EXPECT_NE(engine::error_detail().message.find("refused"), std::string::npos);
  EXPECT_TRUE(set(other, 1).ok());
}

TEST_F(Policy, BeyondTheBoundNewRunsAreRefusedAndKnownOnesGoOn) {
  sync::SenderOptions bounded;
  bounded.unsynced_runs_max = 3;
  worker.attach(bounded);
  for (int i = 0; i < 3; ++i) {
    worker.start("r" + std::to_string(i));
  }
  ASSERT_TRUE(worker.store().barrier().ok());
  ASSERT_TRUE(worker.store().checkpoint().ok());
  engine::StartOptions o;
  o.id = "one-more";
  EXPECT_EQ(worker.store().start(o).code(), Code::kBacklog);
  EXPECT_TRUE(worker.sync_state().over_unsynced);
  worker.set("r1", "n", "1");
  worker.sync_with(up);
  EXPECT_FALSE(worker.sync_state().over_unsynced);
  EXPECT_TRUE(worker.store().start(o).ok());
  worker.sync_with(up);
  expect_equal();
}

TEST_F(Policy, WhatWaitsTooLongCountsToo) {
  sync::SenderOptions bounded;
  bounded.unsynced_ms_max = 3600'000;
  worker.attach(bounded);
  worker.start("r");
  const auto fold = [this] {
    worker.start("x" + std::to_string(messages_++));
    ASSERT_TRUE(worker.store().barrier().ok());
    ASSERT_TRUE(worker.store().checkpoint().ok());
  };
  fold();
  EXPECT_FALSE(worker.sync_state().over_unsynced);
  worker.clock().advance_ms(3600'000);
  fold();
  EXPECT_TRUE(worker.sync_state().over_unsynced);
  worker.sync_with(up);
  EXPECT_FALSE(worker.sync_state().over_unsynced);
}

TEST_F(Policy, DropFinishedGivesUpWhatIsFinishedAndCountsIt) {
  worker.retain_finished_ms = 1000;
  worker.reopen();
  sync::SenderOptions bounded;
  bounded.unsynced_runs_max = 2;
  for (const bool drops : {false, true}) {
    bounded.drop_finished = drops;
    worker.attach(bounded);
    if (!drops) {
      for (int i = 0; i < 3; ++i) {
        worker.start("r" + std::to_string(i));
        worker.finish("r" + std::to_string(i));
      }
      ASSERT_TRUE(worker.store().barrier().ok());
      ASSERT_TRUE(worker.store().checkpoint().ok());
    }
    for (int i = 0; i < 200; ++i) {
      worker.clock().advance_ms(1000);
      ASSERT_TRUE(worker.store().step(0).ok());
    }
    if (drops) {
      EXPECT_GE(worker.sync_state().dropped_runs, 2u);
      ASSERT_TRUE(worker.store().barrier().ok());
      ASSERT_TRUE(worker.store().checkpoint().ok());
      EXPECT_FALSE(worker.sync_state().over_unsynced);
    } else {
      EXPECT_EQ(worker.all().size(), 3u);
      EXPECT_EQ(worker.sync_state().dropped_runs, 0u);
    }
  }
  worker.sync_with(up);
  EXPECT_LE(up.all().size(), 1u);
}

}  // namespace
}  // namespace cairn::tests
