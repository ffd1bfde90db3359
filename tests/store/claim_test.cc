// A parent that is updated before it is started here: its start takes what waits for its owner into the run.
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "tests/support/child_process.h"
#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

using engine::OperationType;
using engine::RunRef;

class Claim : public StoreTest {
 protected:
  RunRef child_of(const std::string& parent) {
    engine::StartOptions o;
    o.id = "c";
    o.parent = parent;
    auto run = store_->start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return *run;
  }
  RunRef parent_of(const RunRef& run) { return *store_->parent(*run); }
  Code add(const RunRef& run, const char* key, const char* by) {
    return update(*store_, *run, OperationType::kIncrement, key, *engine::parse_json(by)).code;
  }
  Code start_with(const std::string& id, const std::string& json, const std::string& parent = "") {
    engine::StartOptions o;
    o.id = id;
    o.parent = parent;
    o.metadata = *engine::parse_json(json)->get<engine::Object>();
    auto run = store_->start(o);
    return run.code();
  }
};

TEST_F(Claim, AParentThatWasUpdatedBeforeItIsStartedHasTheUpdates) {
  open();
  const RunRef early = parent_of(child_of("box"));
  for (int i = 0; i < 750; ++i) {
    ASSERT_EQ(add(early, "cost", "1"), Code::kAccepted);
  }
  ASSERT_EQ(update(*store_, *early, OperationType::kAppend, "log", *engine::parse_json(R"("before")")).code,
            Code::kAccepted);
  ASSERT_EQ(start_with("box", R"({"cost":2,"own":true})"), Code::kOk) << engine::error_detail().message;
  EXPECT_EQ(json("box"), R"({"cost":752,"own":true,"log":["before"]})");
  EXPECT_EQ(add(early, "cost", "1"), Code::kOk) << "a handle from before goes on";
  EXPECT_EQ(find("box"), early);
  EXPECT_TRUE(store_->finish(*early, engine::RunStatus::kCompleted).ok());
  reopen();
  EXPECT_EQ(json("box"), R"({"cost":753,"own":true,"log":["before"]})");
  EXPECT_FALSE(store_->view(*find("box")).record.foreign);
}

TEST_F(Claim, AKillBehindTheStartLosesAndDoublesNothing) {
  for (const bool folded : {false, true}) {
    const std::string id = folded ? "folded" : "logged";
    in_child([&] {
      open();
      const RunRef early = parent_of(child_of(id));
      ASSERT_EQ(add(early, "n", "5"), Code::kAccepted);
      if (folded) {
        ASSERT_TRUE(store_->barrier().ok());
        ASSERT_TRUE(store_->checkpoint().ok());
      }
      ASSERT_EQ(add(early, "n", "2"), Code::kAccepted);
      ASSERT_EQ(start_with(id, "{}"), Code::kOk);
      ASSERT_EQ(add(early, "n", "1"), Code::kOk);
    });
    EXPECT_EQ(read(id), R"({"n":8})");
    open();
    EXPECT_EQ(json(id), R"({"n":8})");
    ASSERT_TRUE(store_->erase("c").ok());
    close();
  }
}

TEST_F(Claim, TheRootIsThatOfItsOwnParent) {
  open();
  start("top");
  (void)add(parent_of(child_of("box")), "n", "1");
  ASSERT_EQ(start_with("box", "{}", "top"), Code::kOk);
  EXPECT_EQ(store_->view(*find("box")).record.root, "top");
}

TEST_F(Claim, IsOnlyOnce) {
  open();
  (void)add(parent_of(child_of("box")), "n", "1");
  ASSERT_EQ(start_with("box", "{}"), Code::kOk);
  EXPECT_EQ(start_with("box", "{}"), Code::kRunning);
  EXPECT_EQ(json("box"), R"({"n":1})");
}

TEST_F(Claim, WhatWaitsAndDoesNotFitIntoTheRunIsLeftOut) {
  open();
  const RunRef early = parent_of(child_of("box"));
  const std::string half = '"' + std::string(2'500, 'x') + '"';
  ASSERT_EQ(set(early, "a", half), Code::kAccepted);
  ASSERT_EQ(set(early, "b", half), Code::kAccepted);
  ASSERT_EQ(add(early, "n", "5"), Code::kAccepted);
  EXPECT_EQ(start_with("box", "{}"), Code::kOk);
  const std::string fits = R"({"a":)" + half + R"(,"n":5})";
  EXPECT_EQ(json("box"), fits);
  reopen();
  EXPECT_EQ(json("box"), fits);
}

TEST_F(Claim, AnImportedRunTakesWhatWaitsToo) {
  open();
  const RunRef early = parent_of(child_of("box"));
  ASSERT_EQ(add(early, "n", "5"), Code::kAccepted);
  engine::RunRecord r;
  r.id = "box";
  r.sequence = 40;
  r.created_us = r.updated_us = 1;
  r.document = engine::Document::from_object(*engine::parse_json(R"({"n":10})")->get<engine::Object>());
  ASSERT_TRUE(store_->import_run(std::move(r), false).ok()) << engine::error_detail().message;
  EXPECT_EQ(json("box"), R"({"n":15})");
  EXPECT_EQ(store_->view(*find("box")).record.sequence, 40u);
  reopen();
  EXPECT_EQ(json("box"), R"({"n":15})");
}

TEST_F(Claim, ARunIsNeitherItsOwnParentNorItsOwnRoot) {
  open();
  EXPECT_EQ(start_with("r", "{}", "r"), Code::kInvalidArgument);
  engine::StartOptions o;
  o.id = o.root = "r";
  EXPECT_EQ(store_->start(o).code(), Code::kInvalidArgument);
  child_of("box");
  EXPECT_EQ(start_with("box", "{}", "c"), Code::kInvalidArgument) << "its child descends from it";
  engine::RunRecord r;
  r.id = r.parent = "r";
  r.sequence = 1;
  EXPECT_EQ(store_->import_run(std::move(r), false).code, Code::kInvalidArgument);
}

// In a process of its own, which an alarm ends: what fails here waits for ever.
TEST_F(Claim, ARunThatNamesItselfAsItsParentIsRefused) {
  in_child([&] {
    alarm(60);
    open();
    (void)parent_of(child_of("box"));
    EXPECT_EQ(start_with("box", "{}", "box"), Code::kInvalidArgument);
    EXPECT_EQ(start_with("box", "{}", "c"), Code::kInvalidArgument) << "its own grandparent";
    EXPECT_EQ(start_with("box", "{}"), Code::kOk);
    close();
  });
}

// The transaction locks the runs in the order of their numbers: the parent, one that is kept from it here, the run. The
// start comes when it has the parent, which the start waits for. It must not have the run by then.
TEST_F(Claim, ATransactionThatHasTheParentGetsTheRun) {
  in_child([&] {
    alarm(20);
    open();
    ASSERT_EQ(start_with("q", "{}"), Code::kOk);
    ASSERT_EQ(start_with("between", "{}"), Code::kOk);
    const RunRef q = find("q");
    const RunRef between = find("between");
    const RunRef p = parent_of(child_of("p"));
    ASSERT_EQ(add(p, "n", "1"), Code::kAccepted);
    ASSERT_TRUE(q->number < between->number && between->number < p->number);
    const auto a_moment = [](int ms = 1) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); };
    std::thread transaction;
    std::thread start;
    {
      const std::lock_guard guard(between->lock);
      transaction = std::thread([&] {
        const engine::Operation plus{OperationType::kIncrement, "n", 1};
        EXPECT_TRUE(store_->transact({{q.get(), plus}, {between.get(), plus}, {p.get(), plus}}).worked());
      });
      while (q->lock.try_lock()) {
        q->lock.unlock();
        a_moment();
      }
      const uint64_t checkpoints = store_->stats().checkpoints;
      start = std::thread([&] { EXPECT_EQ(start_with("p", "{}", "q"), Code::kOk); });
      while (store_->stats().checkpoints == checkpoints) {
        a_moment();
      }
      a_moment(100);  // the locks are what comes next, and nothing shows that it waits for one
    }
    transaction.join();
    start.join();
    EXPECT_EQ(json("p"), R"({"n":2})");
    close();
  });
}

TEST_F(Claim, BesideTransactionsOverTheRunAndItsParent) {
  in_child([&] {
    alarm(60);
    open();
    ASSERT_EQ(start_with("q", "{}"), Code::kOk);
    const RunRef q = *store_->find("q");
    for (int i = 0; i < 10; ++i) {
      engine::StartOptions o;
      o.id = "c" + std::to_string(i);
      o.parent = "p" + std::to_string(i);
      o.root = "q";
      const RunRef child = *store_->start(o);
      const RunRef p = parent_of(child);
      ASSERT_EQ(add(p, "n", "1"), Code::kAccepted);
      std::atomic<int> added{0};
      std::atomic<bool> started{false};
      std::thread transactions([&] {
        const engine::Operation plus{OperationType::kIncrement, "n", 1};
        while (!started || added < 20) {
          ASSERT_TRUE(store_->transact({{q.get(), plus}, {p.get(), plus}}).worked());
          ++added;
          (void)parent_of(p);
        }
      });
      while (added == 0) {
      }
      ASSERT_EQ(start_with(o.parent, "{}", "q"), Code::kOk);
      started = true;
      transactions.join();
      EXPECT_EQ(json(o.parent), R"({"n":)" + std::to_string(1 + added) + "}");
    }
    close();
  });
}

}  // namespace
}  // namespace cairn::tests
