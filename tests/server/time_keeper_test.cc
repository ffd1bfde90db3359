#include "api/server/time_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "api/server/times.h"
#include "tests/http/http_fixture.h"
#include "tests/support/memory_storage.h"

namespace cairn::tests {
namespace {

TEST(TimeKeeperTest, EndsDelaysAndGoesOnAfterTrouble) {
  MemoryStorage runs;
  std::mutex mutex;
  std::vector<std::string> said;
  const server::TimeKeeper keeper(runs, [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    said.push_back(text);
  });
  const auto delayed = [&runs] {
    server::Trigger trigger;
    trigger.task = "t";
    trigger.delayed_until_us = server::wall_us() + 50'000;
    return runs.write(trigger, {}).value().id;
  };
  const auto is_queued = [&runs](const std::string& id) {
    const auto run = runs.find(id, server::kHeadOnly);
    return run.ok() && (*run)->status == engine::RunStatus::kQueued;
  };
  const std::string first = delayed();
  EXPECT_TRUE(wait_for([&] { return is_queued(first); }));
  const std::string second = delayed();
  runs.set_trouble({Code::kBusy, "not now"});
  EXPECT_TRUE(wait_for([&] {
    const std::lock_guard lock(mutex);
    return !said.empty();
  }));
  runs.set_trouble({});
  EXPECT_TRUE(wait_for([&] { return is_queued(second); }));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(said.front(), "not now");
}

}  // namespace
}  // namespace cairn::tests
