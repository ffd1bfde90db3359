// What comes back, what is held, what a repair finds: nothing of it is lost, doubled, or in the way.
#include <fstream>

#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Returned : public SyncTest {
 protected:
  Site& child_of(const std::string& name, const std::string& parent) {
    Site& s = site(name);
    s.open();
    s.attach();
    s.start("c_" + name, "{}", parent);
    return s;
  }
  Status increment(Site& s, const std::string& run, const std::string& by) {
    const engine::RunRef r = s.run(run);
    auto parent = s.store().parent(*r);
    EXPECT_TRUE(parent.ok());
    return update(s.store(), **parent, OperationType::kIncrement, "n", *engine::parse_json(by));
  }
  /// Operations that do not fold into each other. Returns how many were taken.
  static int mix(Site& s, const std::string& run, int times) {
    auto parent = s.store().parent(*s.run(run));
    EXPECT_TRUE(parent.ok());
    int taken = 0;
    for (int i = 0; i < times; ++i) {
      const bool even = i % 2 == 0;
      taken += update(s.store(), **parent, even ? OperationType::kIncrement : OperationType::kAppend,
                      even ? "n" : "$.n.x", even ? Value(0.1) : Value(int64_t{1}))
                       .worked()
                   ? 1
                   : 0;
    }
    return taken;
  }
  static std::string refuse_entry(const std::string& batch, uint32_t entry, sync::VerdictCode code) {
    return answer_to(batch, sync::Answer::kOk, {{entry, code, ""}});
  }
};

TEST_F(Returned, WhatComesBackFitsWithWhatIsNewer) {
  worker.start("p", R"({"n":0.5})");
  worker.sync_with(up);
  Site& child = child_of("child", "p");
  child.sync_with(up);
  ASSERT_EQ(mix(child, "c_child", 40), 40);
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
  const std::string batch = child.next();
  ASSERT_EQ(mix(child, "c_child", 40), 40);
  const Status s = child.store().upstream().feed(answer_to(batch, sync::Answer::kGap));
  EXPECT_TRUE(s.ok()) << said(s);
}

TEST_F(Returned, AGapWithManyOperationsIsCarriedOut) {
  worker.start("p", R"({"n":0.5})");
  worker.sync_with(up);
  Site& child = child_of("child", "p");
  child.sync_with(up);
  child.set("c_child", "x", "1");
  child.sync_with(up);
  ASSERT_EQ(mix(child, "c_child", 40), 40);
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
  const std::string batch = child.next();
  ASSERT_FALSE(batch.empty());
  ASSERT_EQ(mix(child, "c_child", 40), 40);
  ASSERT_TRUE(child.store().barrier().ok());
  Site& anew = site("anew");
  anew.open();
  const Status s = child.store().upstream().feed(anew.receiver().handle(batch));
  EXPECT_TRUE(s.ok()) << said(s);
}

TEST_F(Returned, TheLogCanBeFoldedAfterWhatCameBack) {
  worker.start("p", R"({"n":0.5})");
  worker.sync_with(up);
  Site& child = child_of("child", "p");
  child.sync_with(up);
  ASSERT_EQ(mix(child, "c_child", 40), 40);
  const engine::RunRef hold = *child.store().parent(*child.run("c_child"));
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
  child.feed(answer_to(child.next(), sync::Answer::kGap));
  const int taken = mix(child, "c_child", 40);
  ASSERT_TRUE(child.store().barrier().ok());
  const Status s = child.store().checkpoint();
  EXPECT_TRUE(s.ok()) << static_cast<int>(s.code) << " " << s.what << ", taken: " << taken;
  (void)hold;
  child.close();
  child.open();
}

TEST_F(Returned, ARestoredStoreKeepsTheLetterThatItHad) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  Site& machine = open_machine_of("machine");
  machine.start("c", "{}", "p");
  machine.sync_with(up);
  ASSERT_TRUE(increment(machine, "c", "5").worked());
  (void)machine.store().upstream().control(engine::Upstream::Control::kHurry);
  const std::string batch = machine.next();
  machine.feed(refuse_entry(batch, machine.sync_state().in_flight_entries - 1, sync::VerdictCode::kBacklog));
  ASSERT_EQ(machine.dead(), std::vector<std::string>{"p: backlog"});
  ASSERT_TRUE(increment(machine, "c", "1").worked());
  // Refused by hand: the upstream does not know that batch, and says gap or fork; told to go on it holds all it has.
  machine.start("d", "{}");
  (void)machine.store().upstream().control(engine::Upstream::Control::kHurry);
  ASSERT_FALSE(machine.next().empty());
  Site& moved = site("moved");
  machine.copy_to(moved);
  machine.close();
  // Straight: begin a restored rotation by way of a rewind.
  sync::ReplyHeader header;
  moved.fixed_identity = true;
  moved.open();
  moved.clock().advance_ms(300'000);
  (void)moved.store().upstream().control(engine::Upstream::Control::kHurry);
  const std::string sent = moved.next();
  ASSERT_FALSE(sent.empty());
  const auto h = sync::decode_batch_header(sent);
  header.stream = h->stream;
  header.for_seq = h->seq;
  header.for_digest = h->digest;
  header.seq = h->seq + 5;
  header.answer = static_cast<uint8_t>(sync::Answer::kRewind);
  moved.feed(sync::encode_reply(header, {}));
  moved.sync_with(up);
  std::vector<std::pair<std::string, sync::DeadLetter>> letters;
  ASSERT_TRUE(moved.store().upstream().dead_letters(10, letters).ok());
  ASSERT_EQ(letters.size(), 1u);
  ASSERT_TRUE(moved.store().upstream().release_dead("p", sync::Outbox::Release::kRetry).ok());
  moved.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":6})");
}

TEST_F(Returned, ACursorDoesNotGoBackByARepair) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  Site& child = child_of("child", "p");
  child.sync_with(up);
  up.reopen();
  const std::string image = up.directory() + ".image";
  std::filesystem::copy(up.directory(), image, std::filesystem::copy_options::recursive);
  ASSERT_TRUE(increment(child, "c_child", "5").worked());
  child.sync_with(up);
  ASSERT_TRUE(increment(child, "c_child", "5").worked());
  child.sync_with(up);
  ASSERT_TRUE(increment(child, "c_child", "5").worked());
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
  const std::string batch = child.next();
  up.receiver().handle(batch);  // and the answer is lost
  up.close();                   // the tables have it
  // The log as it was before, the tables as they are now; a page of them, of no use for sync, is bad.
  std::filesystem::remove_all(up.directory() + "/wal");
  std::filesystem::rename(image + "/wal", up.directory() + "/wal");
  std::filesystem::remove_all(image);
  {
    std::fstream f(up.directory() + "/data/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
    std::string all((std::istreambuf_iterator<char>(f)), {});
    int hits = 0;
    for (size_t at = all.find("c_child"); at != std::string::npos; at = all.find("c_child", at + 1)) {
      f.clear();
      f.seekp(static_cast<std::streamoff>(at));
      f << "C_CHILD";
      ++hits;
    }
    ASSERT_GT(hits, 0);
  }
  repair(up);
  up.open();
  child.feed(up.receiver().handle(batch));
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":15})");
}

TEST_F(Returned, AMovedStoreWhoseUpstreamHasAHigherGeneration) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  Site& original = child_of("original", "p");
  original.sync_with(up);
  original.set("c_original", "x", "1");
  original.sync_with(up);
  ASSERT_TRUE(increment(original, "c_original", "5").worked());
  Site& moved = site("moved");
  original.copy_to(moved);
  Site& anew = site("anew");  // in the upstream's place, which lost all
  anew.open();
  worker.set("p", "y", "1");
  worker.sync_with(anew);
  original.sync_with(anew);
  EXPECT_EQ(anew.state("p"), R"({"n":5,"y":1})");
  original.close();
  moved.open();
  ASSERT_TRUE(moved.store().upstream().resolve_copy(true).ok());
  moved.sync_with(anew);
  EXPECT_EQ(anew.state("p"), R"({"n":5,"y":1})") << "halt " << static_cast<int>(moved.sync_state().sender.halt);
}

TEST_F(Returned, ARepairedCopyDoesNotTakeTheOriginalsName) {
  Site& original = sender("original");
  original.start("r", R"({"n":1})");
  original.sync_with(up);
  Site& copy = site("copy");
  original.copy_to(copy);
  copy.open();
  ASSERT_TRUE(copy.store().upstream().resolve_copy(false).ok());
  copy.set("r", "n", "7");
  copy.set("r", "n", "8");
  copy.set("r", "n", "9");
  copy.sync_with(up);
  EXPECT_EQ(copy.dead(), std::vector<std::string>{"r: owned by another store"});
  copy.close();
  std::filesystem::remove_all(copy.directory() + "/data");
  repair(copy);
  copy.open();
  copy.attach();
  copy.sync_with(up);
  EXPECT_EQ(up.state("r"), R"({"n":1})") << "halt " << static_cast<int>(copy.sync_state().sender.halt);
}

TEST_F(Returned, ARepairedReceiverWithItsLogKnowsItsCursor) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  Site& child = child_of("child", "p");
  child.sync_with(up);
  up.reopen();
  ASSERT_TRUE(increment(child, "c_child", "5").worked());
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
  const std::string batch = child.next();
  up.receiver().handle(batch);
  up.close();
  std::fstream f(up.directory() + "/data/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(f)), {});
  for (size_t at = all.find("c_child"); at != std::string::npos; at = all.find("c_child", at + 1)) {
    f.clear();
    f.seekp(static_cast<std::streamoff>(at));
    f << "C_CHILD";
  }
  f.close();
  repair(up);
  up.open();
  child.feed(up.receiver().handle(batch));
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":5})") << "rotations " << child.sync_state().sender.rotations;
}

TEST_F(Returned, ADetachKeepsTheDeltasThatAreHeld) {
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  Site& child = child_of("child", "p");
  child.sync_with(up);
  ASSERT_TRUE(increment(child, "c_child", "5").worked());
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
  const std::string batch = child.next();
  child.feed(refuse_entry(batch, child.sync_state().in_flight_entries - 1, sync::VerdictCode::kBacklog));
  ASSERT_EQ(child.dead(), std::vector<std::string>{"p: backlog"});
  ASSERT_TRUE(child.store().upstream().detach().ok());
  child.attach();
  EXPECT_EQ(child.dead(), std::vector<std::string>{"p: backlog"});
}

}  // namespace
}  // namespace cairn::tests
