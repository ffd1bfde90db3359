// Which finished runs a step erases, when, and what a crash makes of it.
#include <string>
#include <vector>

#include "tests/support/crashing_store.h"
#include "tests/support/fake_clock.h"

namespace cairn::tests {
namespace {

using engine::RunQuery;
using engine::RunStatus;
using engine::RunView;

class Retention : public CrashingStoreTest {
 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  engine::StoreOptions retain(uint64_t ms, uint64_t max) {
    engine::StoreOptions o = options();
    testing::use_clock(o.hooks, *this);
    o.mark_crashed = false;
    o.retain_finished_ms = ms;
    o.retain_finished_max = max;
    return o;
  }
  int64_t due_in() { return store_->next_deadline() - clock_.monotonic_ms; }
  /// A millisecond later than what was before.
  void finished(const std::string& id, RunStatus status = RunStatus::kCompleted) {
    const engine::RunRef run = start(id);
    clock_.advance_ms(1);
    ASSERT_TRUE(store_->finish(*run, status).ok());
  }
  /// As an event loop for so long: sleeps until a step is due.
  void live(int64_t ms, int64_t budget_us = 0) {
    const int64_t end = clock_.monotonic_ms + ms;
    for (int i = 0; i < 10'000 && clock_.monotonic_ms <= end; ++i) {
      ASSERT_TRUE(store_->step(budget_us).ok()) << engine::error_detail().message;
      const int64_t due = due_in();
      if (due > 0) {
        clock_.advance_ms(std::min(due, end - clock_.monotonic_ms + 1));
      }
    }
    ASSERT_GT(clock_.monotonic_ms, end) << "something is always due";
  }
  std::string ids() {
    RunQuery q;
    q.order = engine::RunOrder::kId;
    std::string out;
    const auto listed = store_->list(q, [&out](const RunView& v) {
      out += v.record.id + " ";
      return true;
    });
    EXPECT_TRUE(listed.ok()) << engine::error_detail().message;
    return out;
  }
  size_t count() {
    size_t runs = 0;
    EXPECT_TRUE(store_
                    ->list(
                        {}, [&runs](const RunView&) { return ++runs > 0; }, false)
                    .ok());
    return runs;
  }
  void checkpoint() { ASSERT_TRUE(store_->barrier().ok() && store_->checkpoint().ok()); }
  /// Closes, and looks at every record and index entry.
  void verify() {
    engine::Tables::Options o;
    o.directory = path();
    close();
    auto tables = engine::Tables::open([&] {
      o.read_only = true;
      return o;
    }());
    ASSERT_TRUE(tables.ok());
    EXPECT_TRUE((*tables)
                    ->verify([](const engine::TableDamage& d) { ADD_FAILURE() << d.table << " " << d.key << d.what; })
                    .ok());
  }

  testing::FakeClock clock_;
};

TEST_F(Retention, FinishedRunsGoWhenTheirTimeIsOverAndTheDeadlineSaysWhen) {
  open(retain(100'000, 0));
  finished("old");
  start("runs");
  live(40'000);
  finished("new", RunStatus::kFailed);
  live(50'000);
  EXPECT_EQ(ids(), "new old runs ");
  EXPECT_GT(due_in(), 0);
  EXPECT_LE(due_in(), 10'000) << "a store that sleeps wakes for it";
  live(10'000);
  EXPECT_EQ(ids(), "new runs ");
  live(2'000);  // the flush of the erase
  EXPECT_GT(due_in(), 20'000);
  live(due_in());
  EXPECT_EQ(ids(), "runs ");
  live(1'000'000);
  EXPECT_EQ(ids(), "runs ") << "an unfinished run is as old as it likes";
  verify();
}

TEST_F(Retention, OneMillisecondBeforeItsTimeARunIsThere) {
  open(retain(10'000, 0));
  finished("a");
  checkpoint();
  clock_.advance_ms(9'999);
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(ids(), "a ");
  EXPECT_EQ(due_in(), 1);
  clock_.advance_ms(1);
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(ids(), "");
}

TEST_F(Retention, OfTooManyTheOldestGoWhereverTheyStand) {
  open(retain(0, 3));
  for (const char* id : {"e", "d", "c"}) {
    finished(id);
  }
  checkpoint();
  start("runs");
  const engine::RunRef crashed = start("crashed");
  ASSERT_TRUE(store_->set_status(*crashed, RunStatus::kCrashed).ok());
  for (const char* id : {"b", "a"}) {
    finished(id, RunStatus::kTimedOut);
  }
  EXPECT_EQ(ids(), "a b c crashed d e runs ");
  live(2'000);
  EXPECT_EQ(ids(), "a b c crashed runs ");
  EXPECT_GE(due_in(), 60'000) << "nothing more is due";
  verify();
}

TEST_F(Retention, WithoutTheOptionsAllAreKept) {
  open(retain(0, 0));
  finished("a");
  live(1'000'000'000);
  EXPECT_EQ(ids(), "a ");
}

TEST_F(Retention, CountsWhatEarlierSessionsLeft) {
  open(retain(0, 0));
  for (int i = 0; i < 20; ++i) {
    finished("r" + std::to_string(10 + i));
  }
  close();
  StoreTest::open(retain(0, 4));
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(ids(), "r26 r27 r28 r29 ");
  ASSERT_TRUE(store_->erase("r27").ok());
  finished("s");
  live(2'000);
  EXPECT_EQ(ids(), "r26 r28 r29 s ") << "an erase makes room for one";
}

TEST_F(Retention, ImportedRunsCountAndAreAsOldAsTheirRecordsSay) {
  open(retain(1'000'000, 3));
  for (int i = 0; i < 6; ++i) {
    engine::RunRecord record;
    record.id = "r" + std::to_string(i);
    record.sequence = 1;
    record.status = RunStatus::kCompleted;
    record.created_us = record.updated_us = record.finished_us = clock_.wall_us - i * 1000;
    ASSERT_TRUE(store_->import_run(record, true).ok()) << engine::error_detail().message;
    if (i == 0) {
      ASSERT_TRUE(store_->import_run(record, true).ok());  // gives way to itself: one run still
    }
  }
  live(2'000);
  EXPECT_EQ(ids(), "r0 r1 r2 ");
  engine::RunRecord old;
  old.id = "old";
  old.sequence = 1;
  old.status = RunStatus::kCompleted;
  old.created_us = old.updated_us = old.finished_us = 1;
  ASSERT_TRUE(store_->erase("r2").ok());
  ASSERT_TRUE(store_->import_run(old, true).ok());
  live(2'000'000);
  EXPECT_EQ(ids(), "");
}

TEST_F(Retention, ARunWithAHandleGoesOnlyWhenItIsClosed) {
  open(retain(10'000, 1));
  engine::RunRef held = start("held");
  ASSERT_TRUE(store_->finish(*held, RunStatus::kCompleted).ok());
  for (const char* id : {"a", "b", "c"}) {
    finished(id);
  }
  live(2'000);
  EXPECT_EQ(ids(), "held ") << "newer ones go in its place";
  live(100'000);
  EXPECT_EQ(ids(), "held ");
  EXPECT_EQ(json(held), "{}");
  EXPECT_GT(due_in(), 0) << "it is not asked for all the time";
  EXPECT_LE(due_in(), 30'000);
  held.reset();
  live(30'000);
  EXPECT_EQ(ids(), "");
}

TEST_F(Retention, HeldRunsDoNotHideThoseBehindThem) {
  open(retain(1'000, 0));
  std::vector<engine::RunRef> held;
  for (int i = 0; i < 1100; ++i) {
    held.push_back(start("held" + std::to_string(i)));
    ASSERT_TRUE(store_->finish(*held.back(), RunStatus::kCompleted).ok());
  }
  finished("free");
  live(10'000);
  EXPECT_EQ(count(), 1100U);
}

TEST_F(Retention, WhatIsNotDurableYetStays) {
  engine::StoreOptions o = retain(0, 1);
  o.flush_interval_ms = 500;
  open(o);
  ASSERT_TRUE(store_->step(0).ok());
  finished("a");
  finished("b");
  finished("c");
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(ids(), "a b c ");
  live(2'000);
  EXPECT_EQ(ids(), "c ");
}

TEST_F(Retention, AStepErasesWithinItsBudgetAndTheRestIsDueAtOnce) {
  open(retain(1'000, 0));
  for (int i = 0; i < 100; ++i) {
    finished("r" + std::to_string(100 + i));
  }
  checkpoint();
  ASSERT_TRUE(store_->step(0).ok());  // all that is due but the retention
  clock_.advance_ms(5'000);
  files_->before = [this](testing::FileCall c, const std::string&) {
    clock_.monotonic_ms += c == FileCall::kWrite ? 1 : 0;  // each erase writes once
  };
  ASSERT_TRUE(store_->step(10'000).ok());
  EXPECT_GE(count(), 85U);
  EXPECT_LT(count(), 100U);
  EXPECT_LE(due_in(), 0);
  int steps = 1;
  for (; count() > 0 && steps < 30; ++steps) {
    ASSERT_TRUE(store_->step(10'000).ok());
  }
  EXPECT_EQ(count(), 0U);
  EXPECT_GE(steps, 10);
  files_->before = nullptr;
}

TEST_F(Retention, ARunTakenUpAgainMeanwhileIsLeftAlone) {
  open(retain(1'000, 0));
  for (int i = 0; i < 50; ++i) {
    finished("r" + std::to_string(10 + i));
  }
  const engine::RunRef crashed = start("crashed");
  ASSERT_TRUE(store_->set_status(*crashed, RunStatus::kCrashed).ok());
  checkpoint();
  ASSERT_TRUE(store_->step(0).ok());
  clock_.advance_ms(5'000);
  files_->before = [this](testing::FileCall c, const std::string&) {
    clock_.monotonic_ms += c == FileCall::kWrite ? 1 : 0;
  };
  ASSERT_TRUE(store_->step(10'000).ok());  // has looked at all, and erased some
  files_->before = nullptr;
  ASSERT_EQ(store_->find("r59").ok(), true);
  ASSERT_TRUE(store_->erase("r59").ok());
  start("r59");  // the id of a run that it saw finished
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->erase("r58").ok());
  ASSERT_TRUE(store_->resume("crashed").ok());
  live(5'000);
  EXPECT_EQ(ids(), "crashed r59 ");
  EXPECT_EQ(set(find("r59"), "n", "1"), Code::kOk);
}

TEST_F(Retention, ACrashInTheMiddleLosesNoRunThatStaysAndBringsNoneBackForGood) {
  for (const bool power : {false, true}) {
    name_ = power ? "power" : "process";
    open(retain(60'000, 0));
    for (int i = 0; i < 2'500; ++i) {
      finished("old" + std::to_string(i));
    }
    checkpoint();
    clock_.advance_ms(50'000);
    finished("young");
    const engine::RunRef run = start("runs");
    ASSERT_EQ(set(run, "n", "1"), Code::kOk);
    clock_.advance_ms(15'000);
    ASSERT_TRUE(store_->step(0).ok());
    const size_t left = count();
    EXPECT_EQ(left, 1502U) << "parts of 1,000";
    if (power) {
      reboot();
    } else {
      kill();
      EXPECT_EQ(count(), left) << "an erase survives kill -9";
    }
    EXPECT_EQ(json("runs"), power ? json("runs") : "{\"n\":1}");
    live(10'000);
    EXPECT_EQ(ids(), "runs young ");
    verify();
    store_.reset();
  }
}

TEST_F(Retention, AClockThatWasSetBackErasesNothing) {
  open(retain(10'000, 0));
  finished("a");
  clock_.wall_us -= 3'600'000'000;
  live(600'000);
  EXPECT_EQ(ids(), "a ");
}

TEST_F(Retention, AFullDiskDelaysItAndStopsNothingElse) {
  open(retain(1'000, 0));
  finished("a");
  checkpoint();
  clock_.advance_ms(5'000);
  files_->fail({FileCall::kWrite, 1, kFull, true});
  EXPECT_EQ(store_->step(0).code, Code::kNoSpace);
  EXPECT_EQ(ids(), "a ");
  EXPECT_GT(due_in(), 0) << "not again at once";
  files_->fail_none();
  live(5'000);
  EXPECT_EQ(ids(), "");
}

}  // namespace
}  // namespace cairn::tests
