// A store that was damaged and repaired, as a sender and as a receiver.
#include <fstream>

#include "engine/store_repair.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Repaired : public SyncTest {
 protected:
  void damage_log(const Site& of) {
    for (const auto& e : std::filesystem::directory_iterator(of.directory() + "/wal")) {
      if (e.path().extension() == ".wal") {
        std::fstream f(e.path(), std::ios::in | std::ios::out | std::ios::binary);
        for (const int at : {0, 4096}) {
          f.seekp(at);
          f << std::string(200, '\x5a');
        }
      }
    }
  }
  void begin_child() {
    worker.start("p", R"({"n":0})");
    worker.sync_with(up);
    child.open();
    child.attach();
    child.start("c", "{}", "p");
    child.sync_with(up);
  }
  void increment_parent(int by) {
    auto parent = child.store().parent(*child.run("c"));
    ASSERT_TRUE(parent.ok()) << said(parent.status());
    child.apply(*parent, OperationType::kIncrement, "n", std::to_string(by));
  }
  void repair(Site& of) {
    engine::RepairOptions o;
    o.directory = of.directory();
    o.commit = true;
    testing::use_clock(o.hooks, of);
    auto report = engine::repair(o);
    ASSERT_TRUE(report.ok()) << said(report.status());
  }

  Site& child = site("child");
};

TEST_F(Repaired, ASenderGoesOnAboveItsEarlierGenerations) {
  worker.start("r", R"({"n":0})");
  worker.sync_with(up);
  ASSERT_TRUE(worker.store().detach_upstream().ok());
  worker.attach();
  worker.set("r", "n", "1");
  worker.sync_with(up);
  worker.close();
  damage_log(worker);
  repair(worker);
  worker.open();
  worker.set("r", "n", "2");
  worker.attach();
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"n":2})");
  worker.set("r", "n", "3");
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"n":3})");
  EXPECT_TRUE(worker.dead().empty());
}

TEST_F(Repaired, ASenderTakesWhatItLostAndTheUpstreamHas) {
  worker.start("r", R"({"n":0})");
  worker.start("q", R"({"n":0})");
  worker.sync_with(up);
  worker.reopen();  // the tables have it
  const std::string image = worker.directory() + ".image";
  std::filesystem::copy(worker.directory(), image, std::filesystem::copy_options::recursive);
  worker.set("r", "n", "1");
  worker.sync_with(up);
  worker.set("q", "n", "5");
  worker.close();
  // The disk gives back older tables and no log.
  std::filesystem::remove_all(worker.directory() + "/data");
  std::filesystem::rename(image + "/data", worker.directory() + "/data");
  std::filesystem::remove_all(image);
  damage_log(worker);
  repair(worker);
  worker.open();
  EXPECT_EQ(worker.state("r"), R"({"n":0})") << "lost";
  worker.attach();
  worker.sync_with(up);
  EXPECT_EQ(worker.state("r"), R"({"n":1})") << "and taken from the upstream";
  EXPECT_EQ(worker.all(), up.all());
}

// Nothing is left of what it knew about its upstream: that tells it the generation.
TEST_F(Repaired, ASenderWithoutTablesLearnsItsGenerationFromTheUpstream) {
  worker.start("r", R"({"n":0})");
  worker.sync_with(up);
  for (int i = 1; i < 4; ++i) {
    ASSERT_TRUE(worker.store().detach_upstream().ok());
    worker.attach();
    worker.set("r", "n", std::to_string(i));
    worker.sync_with(up);
  }
  worker.set("r", "n", "7");
  worker.close();
  std::filesystem::remove_all(worker.directory() + "/data");
  repair(worker);
  worker.open();
  worker.attach();
  EXPECT_EQ(worker.sync_with(up), 0) << "it may have been a copy: somebody must say";
  ASSERT_TRUE(worker.store().resolve_copy(true).ok());
  EXPECT_EQ(worker.state("r"), R"({"n":7})");
  worker.sync_with(up);
  EXPECT_EQ(worker.state("r"), R"({"n":7})") << "what is here is newer";
  EXPECT_EQ(up.state("r"), R"({"n":7})");
}

TEST_F(Repaired, DeltasThatWereOnTheirWayAreHeld) {
  begin_child();
  increment_parent(5);
  (void)child.store().sync_control(engine::Store::SyncControl::kHurry);
  const std::string batch = child.next();
  up.receiver().handle(batch);  // and the answer is lost
  increment_parent(1);
  child.close();
  damage_log(child);
  repair(child);
  child.open();
  child.attach();
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":5})");
  EXPECT_EQ(child.dead(), std::vector<std::string>{"p: may have been sent"});
}

TEST_F(Repaired, AReceiverKnowsWhatItTook) {
  begin_child();
  increment_parent(5);
  (void)child.store().sync_control(engine::Store::SyncControl::kHurry);
  const std::string batch = child.next();
  up.receiver().handle(batch);  // and the answer is lost
  up.close();
  damage_log(up);
  repair(up);
  up.open();
  child.feed(up.receiver().handle(batch));
  EXPECT_EQ(up.state("p"), R"({"n":5})") << "once";
  EXPECT_EQ(up.receiver().counters().duplicates, 1u);
  EXPECT_EQ(child.sync_state().sender.rotations, 0u);
}

}  // namespace
}  // namespace cairn::tests
