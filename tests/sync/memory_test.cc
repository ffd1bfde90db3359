// What comes in does not stay in memory.
#include <atomic>
#include <thread>

#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using Memory = SyncTest;

std::string id(int i) { return "r" + std::to_string(i); }

TEST_F(Memory, RunsThatCameInLeaveItBeforeTheLogHasGrown) {
  constexpr int kRuns = 20'000;
  up.start("held", R"({"n":0})");
  const engine::RunRef held = up.run("held");
  for (int i = 0; i < kRuns; ++i) {
    worker.start(id(i), R"({"n":1})");
  }
  EXPECT_TRUE(worker.store().sync_control(engine::Store::SyncControl::kHurry).ok());
  uint64_t most = 0;
  int batches = 0;
  for (std::string message = worker.next(); !message.empty(); message = worker.next()) {
    worker.feed(up.receiver().handle(message));
    most = std::max(most, up.store().stats().runs_hot);
    up.apply(held, OperationType::kIncrement, "n", "1");
    ++batches;
    ASSERT_TRUE(up.store().step(0).ok());
    (void)worker.store().sync_control(engine::Store::SyncControl::kHurry);
  }
  EXPECT_LT(most, 6500u) << "4,096 that a checkpoint would let go, and the batches that came meanwhile";
  EXPECT_EQ(up.state(id(0)), R"({"n":1})");
  EXPECT_EQ(up.state(id(kRuns - 1)), R"({"n":1})");
  EXPECT_EQ(up.run("held").get(), held.get()) << "whoever holds one keeps it";
  EXPECT_EQ(up.state("held"), "{\"n\":" + std::to_string(batches) + "}");
}

// Runs leave and come back while batches change them, and so does somebody here.
TEST_F(Memory, NothingIsLostBetweenLeavingAndComingBack) {
  constexpr int kRuns = 3000;
  constexpr int kRounds = 12;
  for (int i = 0; i < kRuns; ++i) {
    worker.start(id(i), R"({"n":0})");
  }
  worker.sync_with(up);
  std::atomic<bool> done{false};
  std::atomic<int64_t> here{0};
  std::thread steps([&] {
    while (!done) {
      EXPECT_TRUE(up.store().checkpoint().ok());
    }
  });
  std::thread local([&] {
    for (int i = 0; !done; i = (i + 7) % kRuns) {
      up.apply(up.run(id(i)), OperationType::kIncrement, "m", "1");
      ++here;
    }
  });
  int64_t there = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = round; i < kRuns; i += 3, ++there) {
      worker.apply(id(i), OperationType::kIncrement, "n", "1");
    }
    worker.sync_with(up);
  }
  done = true;
  steps.join();
  local.join();
  EXPECT_TRUE(worker.dead().empty());
  int64_t n = 0;
  int64_t m = 0;
  EXPECT_TRUE(up.store()
                  .each([&](const engine::RunView& view) {
                    for (int i = 0; i < view.record.document.size(); ++i) {
                      const auto member = view.record.document.member(i);
                      (member.key == "n" ? n : m) += *member.value.get<int64_t>();
                    }
                    return true;
                  })
                  .ok());
  EXPECT_EQ(n, there);
  EXPECT_EQ(m, here);
}

}  // namespace
}  // namespace cairn::tests
