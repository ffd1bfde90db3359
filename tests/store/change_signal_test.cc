// Those who wait for a change are woken by it, also by one that comes between their look and their wait.
#include "engine/store/change_signal.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

namespace cairn::tests {
namespace {

using engine::ChangeSignal;

constexpr int64_t kForgottenMs = 20'000;  // a wait that ends by its time alone

TEST(ChangeSignal, AChangeSinceTheLookEndsTheWaitAtOnce) {
  ChangeSignal signal;
  const uint64_t seen = signal.count();
  signal.notify();
  EXPECT_TRUE(signal.wait(seen, kForgottenMs));
}

TEST(ChangeSignal, AWaitWithoutAChangeEndsWithItsTime) {
  ChangeSignal signal;
  EXPECT_FALSE(signal.wait(signal.count(), 1));
}

/// Three threads take turns, each by a change that the others wait for: a wake-up that is missed leaves all of them
/// waiting.
TEST(ChangeSignal, NoneOfAHundredThousandChangesIsMissed) {
  constexpr int kRounds = 100'000;
  constexpr int kThreads = 3;
  ChangeSignal signal;
  std::atomic<int> turn{0};
  std::atomic<int> forgotten{0};
  const auto take_turns = [&](int me) {
    for (int mine = me; mine < kRounds; mine += kThreads) {
      while (forgotten == 0) {
        const uint64_t seen = signal.count();
        if (turn == mine) {
          break;
        }
        forgotten += signal.wait(seen, kForgottenMs) ? 0 : 1;
      }
      turn = mine + 1;
      signal.notify();
    }
  };
  std::array<std::thread, kThreads> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads[static_cast<size_t>(i)] = std::thread(take_turns, i);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(forgotten, 0);
  EXPECT_EQ(turn, kRounds);
}

}  // namespace
}  // namespace cairn::tests
