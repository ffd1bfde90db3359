// Memory that runs out at any allocation of a call: the call throws, and the run is as it was, in memory and in
// staging.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "engine/diff/operation_list.h"
#include "tests/support/allocations.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

class OutOfMemory : public StoreTest {
 protected:
  struct Seen {
    std::string document;
    uint64_t version;
    std::string staged;
    bool operator==(const Seen&) const = default;
  };
  Seen look(const engine::RunRef& run) { return {json(run), run->version.load(), read(run->id)}; }

  /// Calls until no allocation fails; each time that one did, `runs` must be as they were.
  void fail_every_allocation(const std::string& what, const std::vector<engine::RunRef>& runs,
                             const std::function<Status()>& call) {
    std::vector<Seen> before;
    for (const engine::RunRef& run : runs) {
      before.push_back(look(run));
    }
    for (int64_t succeed = 0;; ++succeed) {
      bool ran_out = false;
      fail_allocation_after(succeed);
      try {
        const Status status = call();
        fail_allocation_after(-1);
        EXPECT_TRUE(status.worked()) << what << ": " << engine::error_detail().message;
      } catch (const std::bad_alloc&) {
        ran_out = true;
      }
      if (!ran_out) {
        break;
      }
      ++failures_;
      for (size_t i = 0; i < runs.size(); ++i) {
        const Seen now = look(runs[i]);
        ASSERT_EQ(now.document, before[i].document) << what << " at allocation " << succeed;
        ASSERT_EQ(now.version, before[i].version) << what << " at allocation " << succeed;
        ASSERT_EQ(now.staged, before[i].staged) << what << " at allocation " << succeed;
      }
    }
    for (const engine::RunRef& run : runs) {
      EXPECT_EQ(json(run), read(run->id)) << what;
    }
  }

  void apply_all(const engine::RunRef& run, const std::string& operations, engine::Durability durability) {
    const auto list = engine::parse_operations(operations);
    ASSERT_TRUE(list.ok());
    for (const engine::Operation& op : *list) {
      fail_every_allocation("operation on " + op.key, {run}, [&] {
        engine::Outcome outcome;
        return store_->apply(*run, op, outcome, durability);
      });
    }
  }

  int failures_ = 0;
};

const char* const kOperations = R"([
  {"type":"set","key":"progress","value":0.5},
  {"type":"set","key":"phase","value":"a string that is longer than any short one, so that it stands on the heap"},
  {"type":"append","key":"logs","value":"first"},
  {"type":"append","key":"logs","value":{"line":2,"text":"second"}},
  {"type":"append","key":"phase","value":1},
  {"type":"remove","key":"logs","value":"first"},
  {"type":"increment","key":"count","value":3},
  {"type":"append","key":"count","value":"now a list"},
  {"type":"set","key":"tree","value":{"a":{"b":[1,2,3]}}},
  {"type":"set","key":"$.tree.a.c","value":"new"},
  {"type":"increment","key":"$.tree.a.b.1","value":1},
  {"type":"delete","key":"progress"},
  {"type":"set","key":"progress","value":"again"},
  {"type":"delete","key":"tree"},
  {"type":"update","value":{"all":"new","list":[1,2]}},
  {"type":"append","key":"list","value":3},
  {"type":"set","key":"large","value":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}
])";

TEST_F(OutOfMemory, AnUpdateThatFailsChangesNothing) {
  open();
  apply_all(start("a"), kOperations, engine::Durability::kDefault);
  std::printf("property: %d allocations of staged updates failed, each left the run as it was\n", failures_);
  EXPECT_GT(failures_, 40);
}

TEST_F(OutOfMemory, APowerUpdateThatFailsChangesNothing) {
  open();
  apply_all(start("a"), kOperations, engine::Durability::kPower);
  EXPECT_GT(failures_, 60);
}

TEST_F(OutOfMemory, AnUpdateWithoutStagingThatFailsChangesNothing) {
  auto o = options();
  o.staging = false;
  open(o);
  apply_all(start("a"), kOperations, engine::Durability::kDefault);
  EXPECT_GT(failures_, 60);
}

TEST_F(OutOfMemory, ATransactionThatFailsChangesNoRun) {
  open();
  const engine::RunRef a = start("a");
  const engine::RunRef b = start("b");
  set(a, "pending", "1");
  const auto of_a = engine::parse_operations(kOperations);
  const auto of_b = engine::parse_operations(R"([{"type":"append","key":"logs","value":"one"}])");
  for (const bool both : {false, true, true}) {
    std::vector<engine::Store::RunOperation> operations;
    for (const engine::Operation& op : *of_a) {
      operations.push_back({a.get(), op});
    }
    if (both) {
      operations.push_back({b.get(), of_b->front()});
    }
    const int before = failures_;
    fail_every_allocation(both ? "transaction of two" : "transaction of one", {a, b},
                          [&] { return store_->transact(operations); });
    EXPECT_GT(failures_, before + 20);
  }
  reopen();
  EXPECT_EQ(json("b"), R"({"logs":["one","one"]})");
}

TEST_F(OutOfMemory, AStartThatFailsLeavesNoRun) {
  open();
  for (int64_t succeed = 0;; ++succeed) {
    engine::StartOptions o;
    o.id = "job";
    o.task = "a task whose name is so long that it stands on the heap";
    fail_allocation_after(succeed);
    try {
      const auto started = store_->start(o);
      fail_allocation_after(-1);
      ASSERT_TRUE(started.ok());
      break;
    } catch (const std::bad_alloc&) {
      ++failures_;
    }
    EXPECT_EQ(store_->find("job").code(), Code::kNoSuchRun) << "at allocation " << succeed;
    ASSERT_TRUE(store_->barrier().ok());
    ASSERT_TRUE(store_->checkpoint().ok()) << "at allocation " << succeed;
  }
  EXPECT_GT(failures_, 3);
  EXPECT_EQ(set(find("job"), "n", "1"), Code::kOk);
  reopen();
  EXPECT_EQ(json("job"), R"({"n":1})");
}

TEST_F(OutOfMemory, ChangesAndFinishThatFailChangeNothing) {
  open();
  const engine::RunRef run = start("a");
  set(run, "n", "1");
  fail_every_allocation("tags", {run}, [&] { return store_->set_tags(*run, {"a tag that stands on the heap"}); });
  set(run, "n", "2");
  fail_every_allocation("status", {run}, [&] { return store_->set_status(*run, engine::RunStatus::kWaiting); });
  set(run, "n", "3");
  fail_every_allocation("finish", {run}, [&] { return store_->finish(*run, engine::RunStatus::kCompleted); });
  EXPECT_GT(failures_, 10);
  reopen();
  EXPECT_EQ(json("a"), R"({"n":3})");
}

// More slots come back than one chunk has: the list of free ones must not need memory then, behind the append.
TEST_F(OutOfMemory, SlotsComeBackWithoutMemory) {
  open();
  std::vector<engine::RunRef> runs;
  for (int i = 0; i < 184; ++i) {
    runs.push_back(start("r" + std::to_string(i)));
    if (i % 40 == 39) {
      ASSERT_TRUE(store_->step(0).ok());
    }
  }
  for (const engine::RunRef& run : runs) {
    ASSERT_EQ(set(run, "x", "1"), Code::kOk);
  }
  for (const engine::RunRef& run : runs) {
    for (int64_t succeed = 0;; ++succeed) {
      const uint64_t written = store_->stats().written_lsn;
      fail_allocation_after(succeed);
      try {
        ASSERT_TRUE(store_->set_tags(*run, {"t"}).ok());
        fail_allocation_after(-1);
        break;
      } catch (const std::bad_alloc&) {
        ASSERT_EQ(store_->stats().written_lsn, written) << run->id << ": in the log, and yet it failed";
      }
    }
  }
}

// What a background step throws ends neither the thread nor the host.
TEST_F(OutOfMemory, TheBackgroundThreadGoesOn) {
  engine::StoreOptions o = options();
  o.background = true;
  o.flush_interval_ms = 5;
  open(o);
  const engine::RunRef run = start("a");
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
    const uint64_t epoch = store_->epoch();
    fail_allocation_after(i % 20);
    for (int wait = 0; wait < 20 && !allocation_failed(); ++wait) {
      usleep(1000);
    }
    fail_allocation_after(-1);
    while (store_->durable_epoch() < epoch) {
      usleep(1000);  // ends, or the test's time limit does
    }
  }
}

// A flush that fails for want of memory keeps what it was to seal, in order, for the next one.
TEST_F(OutOfMemory, AFlushThatFailsLosesNothing) {
  open();
  const engine::RunRef a = start("a");
  const engine::RunRef b = start("b");
  for (int round = 0; round < 3; ++round) {
    set(a, "n", std::to_string(round));
    set(b, "n", std::to_string(round));
    for (int64_t succeed = 0;; ++succeed) {
      fail_allocation_after(succeed);
      try {
        EXPECT_TRUE(store_->barrier().ok());
        fail_allocation_after(-1);
        break;
      } catch (const std::bad_alloc&) {
        ++failures_;
      }
      set(a, "after", std::to_string(succeed));
      ASSERT_EQ(json(a), read("a")) << "at allocation " << succeed;
      ASSERT_EQ(json(b), read("b")) << "at allocation " << succeed;
    }
    ASSERT_TRUE(store_->checkpoint().ok());
  }
  EXPECT_GT(failures_, 3);
  const std::string last = json(a);
  reopen();
  EXPECT_EQ(json("a"), last);
}

}  // namespace
}  // namespace cairn::tests
