// Ten thousand senders whose upstream refuses them all at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <queue>
#include <random>
#include <vector>

#include "engine/sync/backoff.h"

namespace cairn::tests {
namespace {

using engine::sync::Backoff;

constexpr int kClients = 10'000;

/// How many tries there are in each second when all fail, the first ones at once.
std::vector<int> tries_by_second(int seconds, int64_t retry_after_ms) {
  std::mt19937_64 random(20260101);
  std::vector<Backoff> clients(kClients);
  using Due = std::pair<int64_t, int>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
  for (int i = 0; i < kClients; ++i) {
    due.push({0, i});
  }
  std::vector<int> tries(static_cast<size_t>(seconds));
  while (due.top().first < seconds * 1000) {
    const auto [now, client] = due.top();
    due.pop();
    ++tries[static_cast<size_t>(now / 1000)];
    due.push({now + clients[static_cast<size_t>(client)].next_ms(random(), retry_after_ms), client});
  }
  return tries;
}

// 503 without a hint: in the long run a client tries every 20 to 60 s, and no second sees many more than another.
TEST(Storm, OfRefusalsSpreadsOverTheLongestWait) {
  const std::vector<int> tries = tries_by_second(900, 0);
  EXPECT_GE(tries[0], kClients);
  const auto late = tries.begin() + 300;
  const double mean = static_cast<double>(std::accumulate(late, tries.end(), 0)) / 600;
  EXPECT_LT(mean, kClients / 20.0);
  EXPECT_LT(*std::max_element(late, tries.end()), 1.5 * mean);
  if (!HasFailure()) {
    std::printf("sync: 10,000 clients: %.0f tries a second after five minutes, at most %d\n", mean,
                *std::max_element(late, tries.end()));
  }
}

// 429 or 503 with Retry-After: 30 for all of them: none before, and all within half as long again.
TEST(Storm, OfHintsIsSpreadToo) {
  const std::vector<int> tries = tries_by_second(46, 30'000);
  EXPECT_EQ(tries[0], kClients);
  EXPECT_EQ(std::accumulate(tries.begin() + 1, tries.begin() + 30, 0), 0);
  EXPECT_EQ(std::accumulate(tries.begin() + 30, tries.end(), 0), kClients);
  EXPECT_LT(*std::max_element(tries.begin() + 30, tries.end()), kClients / 15.0 * 1.25);
}

}  // namespace
}  // namespace cairn::tests
