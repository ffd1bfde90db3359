// A run that changes all the time keeps nothing out.
#include <atomic>
#include <thread>

#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Busy : public SyncTest {
 protected:
  /// Increments key `key` of the run until `body` has returned; how often it did.
  int while_busy(Site& s, const engine::RunRef& run, const std::string& key, const std::function<void()>& body) {
    std::atomic<bool> over{false};
    std::atomic<int> count{0};
    std::thread writer([&] {
      while (!over) {
        if (update(s.store(), *run, OperationType::kIncrement, key, Value(int64_t{1})).worked()) {
          ++count;
        }
      }
    });
    while (count < 100) {
      std::this_thread::yield();
    }
    body();
    const int at_the_end = count;
    while (count == at_the_end) {
      std::this_thread::yield();
    }
    over = true;
    writer.join();
    return count;
  }
};

TEST_F(Busy, TheOwnersFirstWordIsTaken) {
  up.start("c", "{}", "p");
  auto parent = up.store().parent(*up.run("c"));
  ASSERT_TRUE(parent.ok());
  worker.start("p", R"({"n":0})");
  const int count = while_busy(up, *parent, "n", [&] {
    worker.sync_with(up);
    EXPECT_TRUE(worker.sync_state().all_acknowledged) << worker.sync_state().last_error;
  });
  EXPECT_EQ(up.state("p"), R"({"n":)" + std::to_string(count) + "}");
}

TEST_F(Busy, APullIsCarriedOut) {
  Site& machine = open_machine_of("machine");
  Site& snapshot = machine_of("snapshot");
  machine.start("r", "{}");
  machine.sync_with(up);
  machine.copy_to(snapshot);
  for (const char* value : {"1", "2"}) {
    machine.set("r", "m", value);
    machine.sync_with(up);
  }
  machine.close();
  snapshot.open();
  snapshot.set("r", "x", "1");
  const int count = while_busy(snapshot, snapshot.run("r"), "n", [&] {
    for (int i = 0; i < 50 && snapshot.sync_state().sender.rotations == 0; ++i) {
      const std::string message = snapshot.next();
      if (!message.empty()) {
        snapshot.feed(up.receiver().handle(message));
      }
      (void)snapshot.store().upstream().control(engine::Upstream::Control::kHurry);
    }
    EXPECT_EQ(snapshot.sync_state().sender.rotations, 1u);
  });
  snapshot.sync_with(up);
  EXPECT_EQ(snapshot.all(), up.all());
  EXPECT_EQ(up.state("r"), R"({"m":2,"x":1,"n":)" + std::to_string(count) + "}");
}

// It costs no fold of the log for each run.
TEST_F(Busy, APullOfManyRunsFoldsTheLogAFewTimes) {
  Site& machine = open_machine_of("machine");
  Site& snapshot = machine_of("snapshot");
  for (int i = 0; i < 300; ++i) {
    machine.start("r" + std::to_string(i), "{}");
  }
  machine.sync_with(up);
  machine.copy_to(snapshot);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 300; ++i) {
      machine.set("r" + std::to_string(i), "m", std::to_string(round));
    }
    machine.sync_with(up);
  }
  machine.close();
  snapshot.open();
  snapshot.set("r0", "x", "1");
  snapshot.feed(up.receiver().handle(snapshot.next()));
  ASSERT_EQ(snapshot.sync_state().sender.pull, sync::Pull::kRestored);
  const uint64_t before = snapshot.store().stats().checkpoints;
  snapshot.sync_with(up);
  EXPECT_LT(snapshot.store().stats().checkpoints - before, 10u);
  EXPECT_EQ(snapshot.all(), up.all());
}

}  // namespace
}  // namespace cairn::tests
