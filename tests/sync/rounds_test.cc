// Copies, clones and restored stores, each in twenty histories drawn from a seed; what must come out is counted outside
// the stores.
#include <random>

#include "engine/store/upstream.h"
#include "tests/support/scale.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using Halt = sync::Halt;

constexpr int kRounds = 20;

class Rounds : public SyncTest {
 protected:
  int draw(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }
  /// A store with runs of its own and a child of the worker's run "p".
  Site& machine(const std::string& name, bool fixed_identity) {
    Site& s = site(name);
    s.fixed_identity = fixed_identity;
    s.open();
    s.attach();
    for (int i = 0; i < kRuns; ++i) {
      s.start(id(i), R"({"n":0})", i == 0 ? "p" : "");
    }
    return s;
  }
  std::string id(int i) const { return "r" + std::to_string(round_) + "_" + std::to_string(i); }
  void increment_parent(Site& s, int64_t n) { s.increment_parent(id(0), n); }
  void increments(Site& s, std::map<std::string, int64_t>& expected) {
    for (int i = draw(20); i >= 0; --i) {
      const std::string run = id(draw(kRuns));
      s.apply(run, OperationType::kIncrement, "n", "1");
      ++expected[run];
    }
  }
  void begin(int round) {
    round_ = round;
    random_.seed(static_cast<uint64_t>(round) + 1);
    if (round == 0) {
      worker.start("p", R"({"n":0})");
      worker.sync_with(up);
    }
  }
  static std::string n(int64_t v) { return R"({"n":)" + std::to_string(v) + "}"; }
  void expect_runs(Site& s, const std::map<std::string, int64_t>& expected) {
    for (int i = 0; i < kRuns; ++i) {
      const auto it = expected.find(id(i));
      EXPECT_EQ(s.state(id(i)), n(it == expected.end() ? 0 : it->second)) << "round " << round_;
    }
  }

  static constexpr int kRuns = 5;
  std::mt19937_64 random_;
  int round_ = 0;
  int64_t parent_ = 0;  // what "p" must have come to
};

TEST_F(Rounds, ACopyThatIsSeenCountsNothingTwice) {
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    begin(round);
    std::map<std::string, int64_t> expected;
    Site& original = machine("original" + std::to_string(round), false);
    original.sync_with(up);
    increments(original, expected);
    const int waiting = draw(5);
    for (int i = 0; i < waiting; ++i, ++parent_) {
      increment_parent(original, 1);
    }
    if (draw(2) == 0) {
      original.sync_with(up);
    }
    Site& copy = site("copy" + std::to_string(round));
    original.copy_to(copy);
    copy.open();
    ASSERT_EQ(copy.sync_state().sender.halt, Halt::kCopied);
    std::map<std::string, int64_t> elsewhere;
    increments(copy, elsewhere);
    copy.start("mine" + std::to_string(round), "{}");
    EXPECT_EQ(copy.sync_with(up), 0);
    increments(original, expected);
    const bool copy_first = draw(2) == 0;
    if (!copy_first) {
      original.sync_with(up);
    }
    ASSERT_TRUE(copy.store().upstream().resolve_copy(false).ok());
    copy.sync_with(up);
    original.sync_with(up);
    expect_runs(up, expected);
    EXPECT_EQ(up.state("mine" + std::to_string(round)), "{}");
    EXPECT_EQ(up.state("p"), n(parent_));
    original.close();
    copy.close();
  }
  if (!HasFailure()) {
    std::printf("sync: copies %d, increments of a shared run %lld, lost 0, doubled 0\n", kRounds,
                static_cast<long long>(parent_));
  }
}

TEST_F(Rounds, AStoreThatWasMovedLosesNothing) {
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    begin(round);
    std::map<std::string, int64_t> expected;
    Site& before = machine("before" + std::to_string(round), false);
    before.sync_with(up);
    increments(before, expected);
    for (int i = draw(5); i > 0; --i, ++parent_) {
      increment_parent(before, 1);
    }
    std::string lost;
    if (draw(2) == 0) {
      lost = before.next();
      if (draw(2) == 0 && !lost.empty()) {
        up.receiver().handle(lost);  // and the answer does not arrive
      }
    }
    Site& after = site("after" + std::to_string(round));
    before.copy_to(after);
    before.close();
    after.open();
    increments(after, expected);
    ASSERT_TRUE(after.store().upstream().resolve_copy(true).ok());
    after.sync_with(up);
    expect_runs(up, expected);
    EXPECT_EQ(up.state("p"), n(parent_));
    after.close();
  }
  if (!HasFailure()) {
    std::printf("sync: moves %d, increments of a shared run %lld, lost 0, doubled 0\n", kRounds,
                static_cast<long long>(parent_));
  }
}

TEST_F(Rounds, ACloneThatNobodySawIsFoundByItsFirstBatch) {
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    begin(round);
    std::map<std::string, int64_t> expected;
    Site& first = machine("first" + std::to_string(round), true);
    first.sync_with(up);
    Site& second = machine_of("second" + std::to_string(round));
    first.copy_to(second);
    second.open();
    std::map<std::string, int64_t> elsewhere;
    for (int batches = 1 + draw(3); batches > 0; --batches) {
      increments(first, expected);
      increment_parent(first, 1);
      ++parent_;
      first.sync_with(up);
    }
    increments(second, elsewhere);
    increment_parent(second, 1);
    second.sync_with(up);
    const Halt halt = second.sync_state().sender.halt;
    // One batch behind it is another's; further behind it looks like a restored store, whose state is pulled: its
    // deltas are held, for they may have been sent.
    if (halt == Halt::kNone) {
      EXPECT_FALSE(second.dead().empty()) << "round " << round;
    } else {
      EXPECT_EQ(halt, Halt::kForked);
      expect_runs(up, expected);
    }
    EXPECT_EQ(up.state("p"), n(parent_)) << "round " << round;
    first.close();
    second.close();
  }
  if (!HasFailure()) {
    std::printf("sync: clones %d, increments of a shared run %lld, lost 0, doubled 0\n", kRounds,
                static_cast<long long>(parent_));
  }
}

TEST_F(Rounds, ARestoredStoreNeverTakesTheUpstreamBack) {
  int forked = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    begin(round);
    std::map<std::string, int64_t> expected;
    Site& machine_ = machine("machine" + std::to_string(round), true);
    machine_.sync_with(up);
    increments(machine_, expected);
    machine_.sync_with(up);
    Site& snapshot = machine_of("snapshot" + std::to_string(round));
    machine_.copy_to(snapshot);
    for (int batches = 1 + draw(4); batches > 0; --batches) {
      increments(machine_, expected);
      machine_.sync_with(up);
    }
    machine_.close();
    snapshot.open();
    // It is asked for at once, or after further changes of keys that the upstream does not know.
    const int more = draw(3);
    for (int i = 0; i < more; ++i) {
      snapshot.set(id(i), "later", std::to_string(i));
    }
    snapshot.set(id(4), "seen", "true");
    snapshot.sync_with(up);
    if (snapshot.sync_state().sender.halt == Halt::kForked) {
      // One batch behind: that could also be a clone's. Somebody says that it is not.
      ++forked;
      ASSERT_TRUE(snapshot.store().upstream().resolve_copy(true).ok());
      snapshot.sync_with(up);
    }
    for (int i = 0; i < kRuns; ++i) {
      const auto it = expected.find(id(i));
      std::string wanted = R"({"n":)" + std::to_string(it == expected.end() ? 0 : it->second);
      wanted += i < more ? R"(,"later":)" + std::to_string(i) : "";
      wanted += i == 4 ? R"(,"seen":true})" : "}";
      EXPECT_EQ(up.state(id(i)), wanted) << "round " << round;
      EXPECT_EQ(snapshot.state(id(i)), wanted) << "round " << round;
    }
    snapshot.close();
  }
  if (!HasFailure()) {
    std::printf("sync: restored stores %d, of them %d one batch behind and asked about; went backwards 0\n", kRounds,
                forked);
  }
}

TEST_F(Rounds, ARestoredUpstreamGetsAllRunsAndTheLossOfDeltasIsCounted) {
  uint64_t lost = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    begin(round);
    std::map<std::string, int64_t> expected;
    Site& machine_ = machine("machine" + std::to_string(round), false);
    machine_.sync_with(up);
    for (int batches = draw(3); batches > 0; --batches) {
      increments(machine_, expected);
      increment_parent(machine_, 1);
      ++parent_;
      machine_.sync_with(up);
    }
    Site& backup = site("backup" + std::to_string(round));
    up.copy_to(backup);
    backup.open();
    const int after = 1 + draw(4);
    for (int i = 0; i < after; ++i) {
      increments(machine_, expected);
      increment_parent(machine_, 1);
      machine_.sync_with(up);
    }
    machine_.apply(id(0), OperationType::kIncrement, "n", "1");
    ++expected[id(0)];
    machine_.sync_with(backup);
    expect_runs(backup, expected);
    EXPECT_EQ(machine_.sync_state().sender.lost_deltas, static_cast<uint64_t>(after)) << "round " << round;
    EXPECT_EQ(backup.state("p"), n(parent_));
    parent_ += after;  // `up` has them
    lost += static_cast<uint64_t>(after);
    machine_.close();
    backup.close();
  }
  if (!HasFailure()) {
    std::printf(
        "sync: restored upstreams %d, own runs all there; deltas of others' runs lost with the upstream %llu, counted "
        "%llu\n",
        kRounds, static_cast<unsigned long long>(lost), static_cast<unsigned long long>(lost));
  }
}

// One run in a thousand that the upstream cannot take.
TEST_F(Rounds, OnePoisonedRunInAThousandHoldsNobodyUp) {
  up.close();
  up.open(300);
  int dead = 0;
  for (int round = 0; round < 5 && !HasFailure(); ++round) {
    round_ = round;
    random_.seed(static_cast<uint64_t>(round) + 1);
    const int poisoned = draw(1000);
    for (int i = 0; i < 1000; ++i) {
      worker.start(id(i), i == poisoned ? R"({"text":")" + std::string(400, 'x') + "\"}" : "{}");
    }
    const uint64_t before = worker.sync_state().sender.batches;
    EXPECT_EQ(worker.sync_with(up), 1);
    EXPECT_EQ(worker.sync_state().sender.batches, before + 1);
    ++dead;
    EXPECT_EQ(worker.dead().size(), static_cast<size_t>(dead));
    EXPECT_EQ(up.all().size(), static_cast<size_t>(999 * (round + 1)));
    worker.set(id(poisoned), "n", "1");
    EXPECT_EQ(worker.sync_with(up), 0) << "it is held";
  }
  if (!HasFailure()) {
    std::printf("sync: runs 5000, applied 4995, held 5\n");
  }
}

// Weeks offline: what waits is the last state of each run, not its history.
TEST_F(Rounds, WeeksOfflineAreOneSmallDiffForEachRun) {
  constexpr int kOffline = 2000;
  const int updates_a_week = 333 / testing::test_scale();
  std::vector<engine::RunRef> runs;
  runs.reserve(kOffline);
  for (int i = 0; i < kOffline; ++i) {
    runs.push_back(worker.start(id(i), R"({"n":0,"phase":"a"})"));
  }
  worker.sync_with(up);
  worker.bytes_sent = 0;
  for (int week = 0; week < 3; ++week) {
    worker.clock().advance_ms(int64_t{7} * 24 * 3600 * 1000);
    for (int i = 0; i < kOffline; ++i) {
      for (int k = 0; k < updates_a_week; ++k) {
        ASSERT_TRUE(
            update(worker.store(), *runs[static_cast<size_t>(i)], OperationType::kIncrement, "n", Value(int64_t{1}))
                .worked());
      }
    }
    ASSERT_TRUE(worker.store().checkpoint().ok());
  }
  const int updates_of_each = 3 * updates_a_week;
  EXPECT_EQ(worker.sync_with(up), 2) << "two batches of 1,000";
  EXPECT_LT(worker.bytes_sent, uint64_t{kOffline} * 40);
  expect_equal();
  EXPECT_EQ(up.state(id(7)), R"({"n":)" + std::to_string(updates_of_each) + R"(,"phase":"a"})");
  if (!HasFailure()) {
    std::printf("sync: %d updates of %d runs in three weeks: %llu bytes sent\n", updates_of_each * kOffline, kOffline,
                static_cast<unsigned long long>(worker.bytes_sent));
  }
}

}  // namespace
}  // namespace cairn::tests
