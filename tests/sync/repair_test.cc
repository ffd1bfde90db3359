// A store that was damaged and repaired, as a sender and as a receiver.
#include <fstream>

#include "engine/maintenance/backup.h"
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Repaired : public SyncTest {
 protected:
  void begin_child() {
    worker.start("p", R"({"n":0})");
    worker.sync_with(up);
    child.open();
    child.attach();
    child.start("c", "{}", "p");
    child.sync_with(up);
  }
  void increment_parent(int by) { child.increment_parent("c", by); }

  Site& child = site("child");
};

TEST_F(Repaired, ASenderGoesOnAboveItsEarlierGenerations) {
  worker.start("r", R"({"n":0})");
  worker.sync_with(up);
  ASSERT_TRUE(worker.store().upstream().detach().ok());
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
  Site& other = site("other");
  other.open();
  for (int i = 1; i < 4; ++i) {
    worker.set("r", "n", std::to_string(i));
    worker.sync_with(other);  // neither knows the stream of the other: a new one each time
    worker.sync_later_with(other);
    worker.set("r", "m", std::to_string(i));
    worker.sync_with(up);
    worker.sync_later_with(up);
  }
  ASSERT_GT(worker.sync_state().sender.generation, 3u);
  worker.set("r", "n", "7");
  worker.close();
  std::filesystem::remove_all(worker.directory() + "/data");
  repair(worker);
  worker.open();
  worker.attach();
  EXPECT_EQ(worker.sync_with(up), 0) << "it may have been a copy: somebody must say";
  ASSERT_TRUE(worker.store().upstream().resolve_copy(true).ok());
  EXPECT_EQ(worker.state("r"), R"({"n":7,"m":3})");
  worker.sync_with(up);
  EXPECT_EQ(worker.state("r"), R"({"n":7,"m":3})") << "what is here is newer";
  EXPECT_EQ(up.state("r"), R"({"n":7,"m":3})");
}

TEST_F(Repaired, DeltasThatWereOnTheirWayAreHeld) {
  begin_child();
  increment_parent(5);
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
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

// What it lost and what it was changed by before it asked are both there.
TEST_F(Repaired, ASenderThatIsChangedBeforeItIsAttachedKeepsBoth) {
  begin_child();
  worker.start("r", R"({"n":0})");
  worker.sync_with(up);
  worker.reopen();  // the tables have it
  const std::string image = worker.directory() + ".image";
  std::filesystem::copy(worker.directory(), image, std::filesystem::copy_options::recursive);
  worker.set("r", "n", "1");
  worker.set("p", "mine", "1");
  worker.sync_with(up);
  increment_parent(5);  // others write that one
  child.sync_with(up);
  worker.set("p", "mine", "2");
  worker.sync_with(up);
  worker.close();
  std::filesystem::remove_all(worker.directory() + "/data");
  std::filesystem::rename(image + "/data", worker.directory() + "/data");
  std::filesystem::remove_all(image);
  damage_log(worker);
  repair(worker);
  worker.open();
  worker.set("r", "new", "1");
  worker.set("p", "new", "1");
  worker.reopen();
  worker.attach();
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"n":1,"new":1})");
  EXPECT_EQ(up.state("p"), R"({"n":5,"mine":2,"new":1})");
  for (const char* id : {"r", "p"}) {
    EXPECT_EQ(worker.state(id), up.state(id));
  }
  EXPECT_TRUE(worker.dead().empty());
}

// Its ids are taken again: what the upstream has under them is of an earlier life.
TEST_F(Repaired, ASenderThatLostAllItsRunsIsHeardAgain) {
  for (const char* id : {"q", "r"}) {
    worker.start(id, R"({"n":0})");
    for (int i = 1; i < 4; ++i) {
      worker.set(id, "n", std::to_string(i));
      worker.sync_with(up);
    }
  }
  worker.close();
  std::filesystem::remove_all(worker.directory() + "/data");
  for (const auto& e : std::filesystem::directory_iterator(worker.directory() + "/wal")) {
    std::filesystem::resize_file(e.path(), 0);
  }
  repair(worker);
  worker.open();
  ASSERT_EQ(worker.all().size(), 0u);
  worker.attach();
  ASSERT_TRUE(worker.store().upstream().resolve_copy(true).ok());
  worker.sync_with(up);
  worker.start("q", R"({"x":1})");
  worker.sync_with(up);
  EXPECT_EQ(up.state("q"), R"({"x":1})");
  worker.set("q", "x", "2");
  worker.sync_with(up);
  EXPECT_EQ(up.state("q"), R"({"x":2})");
}

TEST_F(Repaired, ARelayHoldsTheDeltaWhoseRunCameFromItsOwner) {
  Site& relay = sender("relay");
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  increment_parent(5);
  child.sync_with(relay);
  (void)relay.store().upstream().control(engine::Upstream::Control::kHurry);
  ASSERT_FALSE(relay.next().empty());
  worker.start("p", R"({"n":10})");
  worker.sync_with(relay);
  relay.close();
  damage_log(relay);
  repair(relay);
  relay.open();
  relay.attach();
  relay.sync_with(up);
  ASSERT_EQ(relay.dead(), std::vector<std::string>{"p: may have been sent"});
  ASSERT_TRUE(relay.store().upstream().release_dead("p", sync::Outbox::Release::kRetry).ok());
  relay.sync_with(up);
  EXPECT_EQ(relay.state("p"), R"({"n":15})");
  EXPECT_EQ(up.state("p"), R"({"n":15})");
}

TEST_F(Repaired, ABackupHoldsWhatTheOriginalSends) {
  begin_child();
  increment_parent(5);
  ASSERT_TRUE(child.store().barrier().ok());
  Site& backup = site("backup");
  engine::BackupOptions o;
  o.directory = child.directory();
  o.target = backup.directory();
  ASSERT_TRUE(engine::back_up(o).ok());
  child.sync_with(up);
  backup.open();
  backup.attach();
  backup.start("mine", "{}");
  backup.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":5})");
  ASSERT_EQ(backup.dead(), (std::vector<std::string>{"c: owned by another store", "p: may have been sent"}));
  ASSERT_TRUE(backup.store().upstream().release_dead("p", sync::Outbox::Release::kRetry).ok());
  backup.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":10})") << "as somebody decided";
}

TEST_F(Repaired, AReceiverStillStopsTheSecondOfTwo) {
  Site& first = open_machine_of("first");
  Site& second = machine_of("second");
  first.start("r", R"({"n":1})");
  first.sync_with(up);
  first.copy_to(second);
  second.open();
  up.close();
  damage_log(up);
  repair(up);
  up.open();
  first.set("r", "n", "2");
  first.feed(answer_to(first.next(), sync::Answer::kGap));  // so it begins anew
  first.sync_with(up);
  second.set("r", "n", "3");
  second.feed(answer_to(second.next(), sync::Answer::kGap));
  second.sync_with(up);
  EXPECT_EQ(first.sync_state().sender.halt, sync::Halt::kNone);
  EXPECT_EQ(second.sync_state().sender.halt, sync::Halt::kForked);
  EXPECT_EQ(up.state("r"), R"({"n":2})");
}

TEST_F(Repaired, AReceiverKnowsWhatItTook) {
  begin_child();
  increment_parent(5);
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
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
