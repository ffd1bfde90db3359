// A sealed diff on its way into the log: what may fail there, and what must hold whoever writes it in the end. The
// rules stand in engine/staging/STAGING.md, "Rules".
#include "tests/support/crashing_store.h"

namespace cairn::tests {
namespace {

using engine::Durability;
using engine::OperationType;

class DetachedDiff : public CrashingStoreTest {
 protected:
  Code tag(const engine::RunRef& run) { return store_->set_tags(*run, {"tag"}).code; }
  /// Leaves what is pending detached and not written.
  void fail_to_seal(const engine::RunRef& run, size_t through = 0) {
    run_out_of_space(through);
    const Code code = tag(run);
    EXPECT_TRUE(code == Code::kNoSpace || (through > 0 && code == Code::kLatched)) << static_cast<int>(code);
    files_->fail_none();
  }
  uint64_t bytes_of(const std::function<void()>& act) {
    const uint64_t before = store_->stats().wal.bytes;
    act();
    return store_->stats().wal.bytes - before;
  }
};

TEST_F(DetachedDiff, ItsSlotIsKeptUntilItsRecordIsWritten) {
  open();
  auto run = start("r");
  auto other = start("s");
  set(run, "a", "1");
  fail_to_seal(run);
  set(other, "b", "2");  // takes a slot
  ASSERT_NO_FATAL_FAILURE(kill());
  EXPECT_EQ(json("r"), R"({"a":1})");
  EXPECT_EQ(json("s"), R"({"b":2})");
}

TEST_F(DetachedDiff, WhoeverAppendsNextForTheRunWritesItFirst) {
  using Way = std::function<Code(const engine::RunRef& run, const engine::RunRef& other)>;
  const std::pair<const char*, Way> ways[] = {
      {"a change of the run", [this](auto& run, auto&) { return tag(run); }},
      {"an update of class power", [this](auto& run, auto&) { return set(run, "c", "3", Durability::kPower); }},
      {"a transaction on the run",
       [this](auto& run, auto&) {
         return store_->transact({{run.get(), {OperationType::kSet, "c", 3}}}, Durability::kPower).code;
       }},
      {"a transaction over several runs",
       [this](auto& run, auto& other) {
         return store_
             ->transact({{run.get(), {OperationType::kSet, "c", 3}}, {other.get(), {OperationType::kSet, "c", 3}}})
             .code;
       }},
      {"a flush", [this](auto&, auto&) { return store_->barrier().code; }},
  };
  for (const auto& [what, way] : ways) {
    SCOPED_TRACE(what);
    name_ = what;
    open();
    auto run = start("r");
    auto other = start("s");
    set(run, "a", "1");
    fail_to_seal(run);
    set(run, "b", "2");
    EXPECT_EQ(way(run, other), Code::kOk);
    ASSERT_NO_FATAL_FAILURE(reboot());
    EXPECT_EQ(json("r").substr(0, 12), R"({"a":1,"b":2)");
    store_.reset();
  }
}

TEST_F(DetachedDiff, AFailedOneIsNotFoldedIntoNewerChanges) {
  open();
  // Bytes of the seal's own record, in a run with an id and a diff of the same lengths.
  auto twin = start("t");
  set(twin, "a", "1");
  const uint64_t both = bytes_of([&] { tag(twin); });
  const uint64_t seal = both - bytes_of([&] { tag(twin); });
  ASSERT_GT(seal, 32U);
  auto run = start("r");
  set(run, "a", "1");
  fail_to_seal(run, seal);  // it is readable in the log all the same
  {
    const std::lock_guard guard(run->lock);
    ASSERT_TRUE(run->detached != nullptr);
    EXPECT_EQ(run->live.pending().base, run->detached->last);
  }
  const bool accepted = set(run, "b", "2") == Code::kOk;  // not by a log that latched
  ASSERT_NO_FATAL_FAILURE(kill());
  EXPECT_EQ(json("r"), accepted ? R"({"a":1,"b":2})" : R"({"a":1})");
}

TEST_F(DetachedDiff, ARunWhoseSealFailedInAFlushIsInTheNextOne) {
  open();
  auto run = start("r");
  set(run, "a", "1");
  run_out_of_space();
  EXPECT_EQ(store_->barrier().code, Code::kNoSpace);
  EXPECT_EQ(set(run, "a", "2"), Code::kNoSpace);
  EXPECT_TRUE(store_->step(0).ok());
  EXPECT_EQ(store_->stats().durable_lsn, store_->stats().written_lsn);
  ASSERT_NO_FATAL_FAILURE(reboot());
  EXPECT_EQ(json("r"), R"({"a":1})");
}

TEST_F(DetachedDiff, UpdatesBeyondStagingAreAppendedUnderTheRunsLock) {
  auto o = options();
  o.metadata_bytes_max = 30'000;
  open(o);
  auto run = start("r");
  set(run, "small", "1");
  int writes = 0;
  files_->before = [&](FileCall call, const std::string& name) {
    if (call == FileCall::kWrite && name.rfind("wal/", 0) == 0) {
      ++writes;
      const bool is_free = run->lock.try_lock();
      EXPECT_FALSE(is_free) << "another update could take a sequence number before this one's record is written";
      if (is_free) {
        run->lock.unlock();
      }
    }
  };
  EXPECT_EQ(set(run, "large", "\"" + std::string(20'000, 'x') + "\""), Code::kOk);
  EXPECT_EQ(store_->stats().overflow_appends, 1U);
  files_->before = nullptr;
  EXPECT_GT(writes, 0);
}

TEST_F(DetachedDiff, ATransactionThatWasWrittenInPartIsThereWholeOrNotAtAll) {
  bool absent = false;
  for (size_t through = 24; through < 400; through += 24) {
    SCOPED_TRACE(through);
    name_ = std::to_string(through);
    open();
    auto a = start("a");
    auto b = start("b");
    set(a, "n", "1");
    run_out_of_space(through);
    const Code code =
        store_->transact({{a.get(), {OperationType::kSet, "x", 1}}, {b.get(), {OperationType::kSet, "x", 1}}}).code;
    // Readable and not to be taken back: the log latches.
    EXPECT_TRUE(code == Code::kNoSpace || code == Code::kLatched);
    ASSERT_NO_FATAL_FAILURE(kill());
    const bool in_a = json("a") == R"({"n":1,"x":1})";
    EXPECT_EQ(in_a, json("b") == R"({"x":1})");
    absent = absent || !in_a;
    store_.reset();
    if (in_a) {
      break;
    }
  }
  EXPECT_TRUE(absent);
}

}  // namespace
}  // namespace cairn::tests
