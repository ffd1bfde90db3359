#include "api/server/in_work.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "tests/http/http_fixture.h"

namespace cairn::server {
namespace {

using tests::wait_for;

TEST(InWorkTest, AFewWaitAndMoreAreTurnedAway) {
  InWork all;
  auto held = std::make_unique<InWork::Names>(all, std::vector<std::string>{"a", ""});
  ASSERT_TRUE(held->status().ok());
  EXPECT_TRUE(InWork::Names(all, {"b"}).status().ok());
  std::atomic<size_t> turned_away{0};
  std::atomic<size_t> had{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < InWork::kWaitingMax + 3; ++i) {
    threads.emplace_back([&] {
      const InWork::Names names(all, {"a"});
      ++(names.status().ok() ? had : turned_away);
      EXPECT_TRUE(names.status().ok() || names.status().code == Code::kBusy);
    });
  }
  EXPECT_TRUE(wait_for([&] { return turned_away == 3; }));
  EXPECT_EQ(had, 0U);
  held.reset();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(had, InWork::kWaitingMax);
  EXPECT_TRUE(InWork::Names(all, {"a"}).status().ok()) << "who was turned away holds nothing";
}

}  // namespace
}  // namespace cairn::server
