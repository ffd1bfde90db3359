#include <sys/wait.h>

#include <thread>

#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

using engine::Durability;
using engine::Outcome;
using engine::RunStatus;

class StoreLife : public StoreTest {};

TEST_F(StoreLife, MetadataSurvivesCloseAndReopen) {
  open();
  auto run = start("r1");
  EXPECT_EQ(set(run, "progress", "0.5"), Code::kOk);
  EXPECT_EQ(set(run, "user", R"({"name":"Eric"})"), Code::kOk);
  EXPECT_EQ(apply(run, R"({"type":"increment","key":"n","value":3})"), Code::kOk);
  EXPECT_EQ(apply(run, R"({"type":"append","key":"logs","value":"a"})"), Code::kOk);
  EXPECT_EQ(apply(run, R"({"type":"append","key":"logs","value":"b"})"), Code::kOk);
  EXPECT_EQ(json(run), R"({"progress":0.5,"user":{"name":"Eric"},"n":3,"logs":["a","b"]})");
  reopen();
  EXPECT_EQ(json("r1"), R"({"progress":0.5,"user":{"name":"Eric"},"n":3,"logs":["a","b"]})");
}

TEST_F(StoreLife, AReaderInTheSameProcessSeesEveryLayer) {
  open();
  auto run = start("r1");
  set(run, "a", "1");
  EXPECT_EQ(read("r1"), R"({"a":1})");
  ASSERT_TRUE(store_->barrier().ok());
  set(run, "a", "2");
  EXPECT_EQ(read("r1"), R"({"a":2})");
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(read("r1"), R"({"a":2})");
  set(run, "b", "3");
  EXPECT_EQ(read("r1"), R"({"a":2,"b":3})");
  EXPECT_EQ(read("nobody"), "none");
}

TEST_F(StoreLife, KilledProcessLosesNothingAcknowledged) {
  const std::string directory = options().directory;
  const pid_t child = fork();
  if (child == 0) {
    auto opened = engine::Store::open(options());
    if (!opened.ok()) {
      _exit(1);
    }
    store_ = std::move(*opened);
    auto run = start("r1");
    for (int i = 1; i <= 1000; ++i) {
      if (!set_int(*store_, *run, "step", i).ok() || !set_double(*store_, *run, "progress", i / 1000.0).ok()) {
        _exit(2);
      }
      if (i == 500 && !store_->barrier().ok()) {
        _exit(3);
      }
    }
    raise(SIGKILL);
  }
  int status;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_EQ(read("r1"), R"({"step":1000,"progress":1})");
  open();
  EXPECT_EQ(json("r1"), R"({"step":1000,"progress":1})");
  auto run = store_->resume("r1");
  ASSERT_TRUE(run.ok());
  set(*run, "step", "1001");
  reopen();
  EXPECT_EQ(json("r1"), R"({"step":1001,"progress":1})");
}

TEST_F(StoreLife, SizeLimitIsExactAndChangesNothing) {
  auto o = options();
  o.metadata_bytes_max = 20;
  open(o);
  auto run = start("r");
  EXPECT_EQ(set(run, "k", R"("123456789012")"), Code::kOk);  // {"k":"123456789012"} is 20 bytes
  EXPECT_EQ(set(run, "k", R"("1234567890123")"), Code::kTooLarge);
  EXPECT_EQ(engine::error_detail().needed, 21U);
  EXPECT_EQ(engine::error_detail().limit, 20U);
  EXPECT_EQ(engine::error_detail().key, "k");
  EXPECT_EQ(json(run), R"({"k":"123456789012"})");
}

TEST_F(StoreLife, FinishedRunsTakeNoUpdates) {
  open();
  auto run = start("r");
  set(run, "a", "1");
  ASSERT_TRUE(store_->finish(*run, RunStatus::kCompleted).ok());
  EXPECT_EQ(set(run, "a", "2"), Code::kFinished);
  EXPECT_EQ(set_double(*store_, *run, "a", 2).code, Code::kFinished);
  engine::StartOptions again;
  again.id = "r";
  EXPECT_EQ(store_->start(again).code(), Code::kExists);
  reopen();
  auto found = find("r");
  EXPECT_EQ(store_->view(*found).record.status, RunStatus::kCompleted);
  EXPECT_EQ(set(found, "a", "2"), Code::kFinished);
  EXPECT_EQ(json(found), R"({"a":1})");
}

TEST_F(StoreLife, RunningRunCannotBeStartedTwice) {
  open();
  start("r");
  engine::StartOptions again;
  again.id = "r";
  EXPECT_EQ(store_->start(again).code(), Code::kRunning);
  reopen();
  EXPECT_EQ(store_->start(again).code(), Code::kExists);  // orphaned: only by resume
  EXPECT_TRUE(store_->view(*find("r")).orphaned);
  ASSERT_TRUE(store_->resume("r").ok());
  EXPECT_FALSE(store_->view(*find("r")).orphaned);
}

TEST_F(StoreLife, ErasedRunIsGoneAndItsIdCanBeUsedAgain) {
  open();
  auto run = start("r");
  set(run, "a", "1");
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  set(run, "a", "2");
  ASSERT_TRUE(store_->erase("r").ok());
  EXPECT_EQ(store_->find("r").code(), Code::kNoSuchRun);
  EXPECT_EQ(set(run, "a", "3"), Code::kErased);
  auto next = start("r");
  set(next, "b", "1");
  EXPECT_EQ(json(next), R"({"b":1})");
  reopen();
  EXPECT_EQ(json("r"), R"({"b":1})");
  ASSERT_TRUE(store_->erase("r").ok());
  reopen();
  EXPECT_EQ(store_->find("r").code(), Code::kNoSuchRun);
}

TEST_F(StoreLife, StartedIdsSortByTime) {
  open();
  auto a = store_->start({});
  ASSERT_TRUE(a.ok());
  EXPECT_EQ((*a)->id.size(), 30U);
  EXPECT_EQ((*a)->id.substr(0, 4), "run_");
  usleep(10'000);
  auto b = store_->start({});
  ASSERT_TRUE(b.ok());
  EXPECT_LT((*a)->id, (*b)->id);
}

TEST_F(StoreLife, TransactionOverSeveralRunsIsAllOrNone) {
  open();
  auto a = start("a");
  auto b = start("b");
  set(a, "n", "1");
  set(b, "l", R"("text")");
  using engine::Operation;
  using engine::OperationType;
  size_t failed = 99;
  EXPECT_EQ(
      store_
          ->transact({{a.get(), {OperationType::kIncrement, "n", 1}}, {b.get(), {OperationType::kRemove, "l", 1}}},
                     Durability::kDefault, &failed)
          .code,
      Code::kUnapplied);
  EXPECT_EQ(failed, 1U);
  EXPECT_EQ(json(a), R"({"n":1})");
  EXPECT_TRUE(store_
                  ->transact({{a.get(), {OperationType::kIncrement, "n", 1}},
                              {b.get(), {OperationType::kAppend, "l", 1}},
                              {a.get(), {OperationType::kSet, "x", true}}})
                  .ok());
  EXPECT_EQ(json(a), R"({"n":2,"x":true})");
  EXPECT_EQ(json(b), R"({"l":["text",1]})");
  set(a, "n", "5");
  EXPECT_EQ(read("a"), R"({"n":5,"x":true})");
  reopen();
  EXPECT_EQ(json("a"), R"({"n":5,"x":true})");
  EXPECT_EQ(json("b"), R"({"l":["text",1]})");
}

TEST_F(StoreLife, TransactionOnOneRunIsOneSlotWrite) {
  open();
  auto a = start("a");
  const uint64_t lsn = store_->stats().written_lsn;
  EXPECT_TRUE(store_
                  ->transact({{a.get(), {engine::OperationType::kSet, "x", 1}},
                              {a.get(), {engine::OperationType::kSet, "y", 2}}})
                  .ok());
  EXPECT_EQ(store_->stats().written_lsn, lsn);
  EXPECT_EQ(json(a), R"({"x":1,"y":2})");
  EXPECT_EQ(read("a"), R"({"x":1,"y":2})");
}

TEST_F(StoreLife, DiffsBeyondTheLargestSlotGoToTheLog) {
  auto o = options();
  o.metadata_bytes_max = 30'000;
  open(o);
  auto run = start("r");
  std::string expected = "{";
  for (int i = 0; i < 28; ++i) {
    const std::string key = "k" + std::to_string(i);
    const std::string text = "\"" + std::string(1000, static_cast<char>('a' + i % 26)) + "\"";
    ASSERT_EQ(set(run, key, text), Code::kOk);
    expected += (i == 0 ? "\"" : ",\"") + key + "\":" + text;
    ASSERT_EQ(read("r"), expected + "}");
  }
  expected += "}";
  EXPECT_GT(store_->stats().overflow_appends, 0U);
  EXPECT_EQ(json(run), expected);
  reopen();
  EXPECT_EQ(json("r"), expected);
}

TEST_F(StoreLife, PowerClassIsInTheDurableLog) {
  open();
  auto run = start("r");
  set(run, "a", "1");
  EXPECT_EQ(set(run, "b", "2", Durability::kPower), Code::kOk);
  const auto stats = store_->stats();
  EXPECT_EQ(stats.written_lsn, stats.durable_lsn);
  EXPECT_EQ(stats.runs_dirty, 0U);
  EXPECT_EQ(json(run), R"({"a":1,"b":2})");
}

TEST_F(StoreLife, EpochsCoverWhatWasUpdatedBefore) {
  open();
  auto run = start("r");
  Outcome outcome;
  uint64_t epoch = 0;
  ASSERT_TRUE(store_->apply(*run, {engine::OperationType::kSet, "a", 1}, outcome, Durability::kDefault, &epoch).ok());
  EXPECT_LT(store_->durable_epoch(), epoch);
  ASSERT_TRUE(store_->wait_durable(epoch, -1).ok());
  EXPECT_GE(store_->durable_epoch(), epoch);
  EXPECT_EQ(store_->stats().written_lsn, store_->stats().durable_lsn);
}

TEST_F(StoreLife, SecondOpenIsBusyAndNamesTheOwner) {
  open();
  auto second = engine::Store::open(options());
  EXPECT_EQ(second.code(), Code::kBusy);
  EXPECT_EQ(engine::error_detail().owner_pid, static_cast<uint64_t>(getpid()));
  EXPECT_TRUE(engine::error_detail().owner_alive);
}

TEST_F(StoreLife, EveryCallInAForkedChildIsRefused) {
  open();
  auto run = start("r");
  const pid_t child = fork();
  if (child == 0) {
    Outcome outcome;
    const bool refused = set_double(*store_, *run, "a", 1).code == Code::kForked &&
                         store_->apply(*run, {engine::OperationType::kSet, "a", 1}, outcome).code == Code::kForked &&
                         store_->barrier().code == Code::kForked && store_->step(0).code == Code::kForked &&
                         store_->find("r").code() == Code::kForked && store_->start({}).code() == Code::kForked &&
                         store_->close(0).code == Code::kForked && store_->transact({}).code == Code::kForked &&
                         store_->checkpoint().code == Code::kForked;
    _exit(refused ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status of the child: " << status;
  EXPECT_EQ(set(run, "a", "1"), Code::kOk);
}

TEST_F(StoreLife, AForkedChildOpensAStoreOfItsOwn) {
  open();
  start("r");
  const pid_t child = fork();
  if (child == 0) {
    auto mine = options();
    mine.directory += "-of-the-child";
    auto opened = engine::Store::open(mine);
    if (!opened.ok()) {
      _exit(1);
    }
    engine::StartOptions o;
    o.id = "c";
    auto run = (*opened)->start(o);
    _exit(run.ok() && set_double(**opened, **run, "a", 1).ok() && (*opened)->close(0).ok() ? 0 : 2);
  }
  int status;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status of the child: " << status;
}

TEST_F(StoreLife, ThreadsUpdateTheirRunsWhileFlushesAndCheckpointsGoOn) {
  auto o = options();
  o.background = true;
  o.flush_interval_ms = 1;
  open(o);
  constexpr int kThreads = 4;
  constexpr int kSteps = 20'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      auto own = start("own" + std::to_string(t));
      auto shared = t == 0 ? start("shared") : nullptr;
      while (!shared) {
        auto found = store_->find("shared");
        if (found.ok()) {
          shared = *found;
        }
      }
      for (int i = 1; i <= kSteps; ++i) {
        ASSERT_TRUE(set_int(*store_, *own, "step", i).ok());
        ASSERT_TRUE(increment(*store_, *shared, "n", 1).ok());
        if (i % 1000 == 0) {
          ASSERT_TRUE(store_
                          ->transact({{own.get(), {engine::OperationType::kIncrement, "t", 1}},
                                      {shared.get(), {engine::OperationType::kIncrement, "t", 1}}})
                          .ok());
        }
        if (i % 2000 == 0) {
          ASSERT_EQ(set(own, "p", "1", Durability::kPower), Code::kOk);
        }
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(store_->barrier().ok());
    ASSERT_TRUE(store_->checkpoint().ok());
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(json("shared"), R"({"n":80000,"t":80})");
  reopen();
  EXPECT_EQ(json("shared"), R"({"n":80000,"t":80})");
  for (int t = 0; t < kThreads; ++t) {
    EXPECT_EQ(json("own" + std::to_string(t)), R"({"step":20000,"t":20,"p":1})");
  }
}

TEST_F(StoreLife, AReaderThatTakesItsTimeKeepsNoPagesFromBeingUsedAgain) {
  open();
  std::vector<engine::RunRef> runs;
  for (int i = 0; i < 300; ++i) {
    runs.push_back(start("r" + std::to_string(i)));
    set(runs.back(), "text", "\"" + std::string(1000, 'x') + "\"");
  }
  const auto rewrite_all = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (const engine::RunRef& run : runs) {
        set(run, "n", std::to_string(i));
      }
      ASSERT_TRUE(store_->barrier().ok());
      ASSERT_TRUE(store_->checkpoint().ok());
    }
  };
  rewrite_all(5);
  engine::StoreReader::Options o;
  o.directory = directory_.path() + "/store";
  auto reader = engine::StoreReader::open(o);
  ASSERT_TRUE(reader.ok());
  const uint64_t before = store_->stats().tables_bytes;
  int seen = 0;
  ASSERT_TRUE((*reader)
                  ->each([&](const engine::RunView&) {
                    if (++seen == 150) {
                      rewrite_all(20);
                    }
                    return true;
                  })
                  .ok());
  EXPECT_EQ(seen, 300);
  EXPECT_LT(store_->stats().tables_bytes, before * 2);
}

}  // namespace
}  // namespace cairn::tests
