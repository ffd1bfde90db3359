// How many runs wait for the upstream: exact, and at a cost that does not grow with them.
#include <set>

#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class WaitingRuns : public SyncTest {
 protected:
  void start_before_the_attach(int count) {
    early.open();
    for (int i = 0; i < count; ++i) {
      early.start(name(i));
    }
  }
  static std::string name(int i) {
    std::string digits = std::to_string(i);
    return "r" + std::string(5 - digits.size(), '0') + digits;
  }
  static sync::SenderOptions batches_of(size_t runs) {
    sync::SenderOptions o;
    o.limits.entries = runs;
    return o;
  }
  static uint64_t waiting(Site& s) { return s.sync_state().waiting.runs; }
  /// Counted one by one, by what the store says of each run.
  static uint64_t one_by_one(Site& s, int runs) {
    uint64_t count = 0;
    for (int i = 0; i < runs; ++i) {
      engine::Upstream::RunState of;
      const Status found = s.store().upstream().state(name(i), of);
      count += found.ok() && !of.all_acknowledged && !(of.outbox.held && !of.outbox.waits) ? 1 : 0;
    }
    return count;
  }

  Site& early = site("early");
};

TEST_F(WaitingRuns, ThoseOfBeforeTheAttachAreCountedUntilTheyAreSent) {
  start_before_the_attach(100);
  early.attach(batches_of(10));
  EXPECT_EQ(waiting(early), 100u);
  for (int batch = 1; batch <= 4; ++batch) {
    const std::string message = early.frozen();
    EXPECT_EQ(waiting(early), 110u - 10 * batch);
    early.feed(up.receiver().handle(message));
    EXPECT_EQ(waiting(early), 100u - 10 * batch);
  }
  early.reopen();
  early.attach(batches_of(10));
  EXPECT_EQ(waiting(early), 60u);
  early.sync_with(up);
  EXPECT_EQ(waiting(early), 0u);
  EXPECT_TRUE(early.sync_state().all_acknowledged);
}

TEST_F(WaitingRuns, OneInFlightThatChangedIsOne) {
  start_before_the_attach(3);
  early.attach(batches_of(2));
  const std::string message = early.frozen();
  early.set(name(0), "n", "1");
  ASSERT_TRUE(early.store().barrier().ok());
  EXPECT_EQ(waiting(early), 3u);
  early.finish(name(1));
  ASSERT_TRUE(early.store().erase(name(1)).ok());
  ASSERT_TRUE(early.store().barrier().ok());
  EXPECT_EQ(waiting(early), 3u);
  early.feed(up.receiver().handle(message));
  EXPECT_EQ(waiting(early), 3u);
  early.sync_with(up);
  EXPECT_EQ(waiting(early), 0u);
}

TEST_F(WaitingRuns, AnotherUpstreamLacksThemAllAgain) {
  start_before_the_attach(20);
  early.attach(batches_of(5));
  early.feed(up.receiver().handle(early.frozen()));
  const std::string lost = early.frozen();
  ASSERT_FALSE(lost.empty());
  ASSERT_TRUE(early.store().upstream().attach("another", batches_of(5)).ok());
  EXPECT_EQ(waiting(early), 20u);  // five of them in flight, too
  EXPECT_EQ(one_by_one(early, 20), 20u);
}

TEST_F(WaitingRuns, StayExactWhateverHappensMeanwhile) {
  uint64_t seed = 7;
  const auto draw = [&seed](uint64_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((seed >> 33) % below);
  };
  int runs = 60;
  start_before_the_attach(runs);
  early.attach(batches_of(7));
  std::set<std::string> erased;
  std::string message;
  for (int step = 0; step < 300; ++step) {
    const std::string id = name(draw(runs));
    switch (draw(6)) {
      case 0:
        early.start(name(runs++));
        break;
      case 1:
        if (erased.insert(id).second) {
          early.finish(id);
          ASSERT_TRUE(early.store().erase(id).ok());
        }
        break;
      case 2:
        if (draw(8) == 0) {
          early.reopen();
          early.attach(batches_of(7));
          message.clear();
        }
        break;
      case 3:
        if (draw(2) == 0) {
          message = early.frozen();
        } else if (!message.empty()) {
          early.feed(up.receiver().handle(std::exchange(message, "")));
        }
        break;
      default:
        if (!erased.contains(id)) {
          early.set(id, "n", std::to_string(step));
        }
    }
    ASSERT_TRUE(early.store().barrier().ok());
    const uint64_t counted = waiting(early);
    ASSERT_EQ(counted, one_by_one(early, runs)) << "step " << step;
  }
  early.reopen();
  early.sync_with(up);
  EXPECT_EQ(waiting(early), 0u);
}

TEST_F(WaitingRuns, CountingThemReadsAsMuchForTenAsForThousands) {
  uint64_t reads[2] = {};
  for (const int count : {10, 3000}) {
    Site& store = site("of" + std::to_string(count));
    store.open();
    for (int i = 0; i < count; ++i) {
      store.start(name(i));
    }
    store.attach(batches_of(5));
    store.feed(up.receiver().handle(store.frozen()));
    ASSERT_FALSE(store.frozen().empty());
    const uint64_t before = store.store().stats().table_reads;
    EXPECT_EQ(waiting(store), static_cast<uint64_t>(count) - 5);
    reads[count == 10 ? 0 : 1] = store.store().stats().table_reads - before;
  }
  EXPECT_EQ(reads[0], reads[1]);
  EXPECT_LT(reads[0], 50u);
}

TEST_F(WaitingRuns, FewerThanAreHeldStillGo) {
  sync::VerdictCode refused = sync::VerdictCode::kRefusedRun;
  start_before_the_attach(4);
  early.attach(batches_of(3));
  const std::string message = early.frozen();
  std::vector<sync::Verdict> verdicts(3);
  for (uint32_t i = 0; i < 3; ++i) {
    verdicts[i].entry = i;
    verdicts[i].code = refused;
  }
  early.feed(answer_to(message, sync::Answer::kOk, verdicts));
  const auto state = early.sync_state();
  EXPECT_EQ(state.waiting.held, 3u);
  EXPECT_EQ(state.waiting.runs, 1u);
  EXPECT_TRUE(state.waiting.moves);
}

}  // namespace
}  // namespace cairn::tests
