// Either end restored from an older copy, and a copied store.
#include <filesystem>

#include "engine/store/upstream.h"
#include "tests/chaos/one_site.h"

namespace cairn::tests {
namespace {

namespace fs = std::filesystem;

class Restored : public OneSite {
 protected:
  engine::Upstream::State state() {
    engine::Upstream::State state;
    with_store(store(), [&state](engine::Store& s) { EXPECT_TRUE(s.upstream().state(state).ok()); });
    return state;
  }
  static void copy(const std::string& from, const std::string& to) { fs::copy(from, to, fs::copy_options::recursive); }
  void sent_updates(int count) {
    for (int i = 0; i < count; ++i) {
      update();
      expect_sent();
    }
  }
};

TEST_F(Restored, AnUpstreamFromABackupGetsEveryRunAndTheLossAtItsOwnIsCounted) {
  begin();
  std::vector<int64_t> at_parent;
  uint64_t lost = 0;  // of the parent, which went back with its owner
  for (int round = 0; round < kRounds; ++round) {
    sent_updates(1);
    at_parent.push_back(updates_);
    const std::string backup = path("backup-" + std::to_string(round));
    ASSERT_EQ(bare({"--store", up(), "backup", backup}).exit, 0) << read_file(path("err"));
    sent_updates(2);
    kill_server(SIGKILL);
    fs::remove_all(up());
    fs::rename(backup, up());
    start_server();
    sent_updates(1);
    at_parent.push_back(updates_);
    expect_there(at_parent);
    lost += 2;
    EXPECT_EQ(answers_.gaps, static_cast<uint64_t>(round + 1));
    // A backup has no cursors: all that this stream ever told others counts as perhaps lost, never fewer than were.
    EXPECT_GE(state().sender.lost_deltas, lost);
  }
  std::printf(
      "chaos: upstream restored: rounds %d; of %ld updates own runs have all; at the upstream's own run %lu went "
      "with it, counted %lu\n",
      kRounds, static_cast<long>(updates_), lost, state().sender.lost_deltas);
}

// It is asked about as a moved store is; then it asks the upstream, and takes what is newer there.
TEST_F(Restored, ASenderFromAnOlderCopyTakesWhatTheUpstreamHas) {
  begin();
  for (int round = 0; round < kRounds; ++round) {
    sent_updates(1);
    const std::string older = path("older-" + std::to_string(round));
    copy(store(), older);
    sent_updates(1 + round % 3);
    fs::remove_all(store());
    copy(older, store());
    with_store(store(), [round](engine::Store& s) { start(s, "after-" + std::to_string(round)); });
    EXPECT_EQ(sync().exit, 76) << "the files are others";
    const Ran ran = sync("60s", {"--moved"});
    EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
    expect_all_there();
    sent_updates(1);
    expect_all_there();
  }
  report("sender restored", kRounds);
}

// `cairn backup` makes a store of its own: what it has of the other's runs is held, and the upstream keeps what it has.
TEST_F(Restored, ASenderFromABackupIsAnotherStore) {
  begin();
  for (int round = 0; round < kRounds; ++round) {
    sent_updates(1);
    const std::string backup = path("backup-" + std::to_string(round));
    ASSERT_EQ(cairn({"backup", backup}).exit, 0) << read_file(path("err"));
    sent_updates(2);
    const std::string own = "own-" + std::to_string(round);
    with_store(backup, [&own](engine::Store& s) { start(s, own); });
    const Ran ran = bare({"--store", backup, "sync", "--upstream", proxy_.url()});
    EXPECT_EQ(ran.exit, 65) << ran.out << ran.err;
    EXPECT_THAT(bare({"--store", backup, "sync", "--dead"}).out, ::testing::HasSubstr("owned by another store"));
    const StoredRuns upstream = runs_of(up());
    EXPECT_EQ(upstream.count(own), 1u) << "what is its own is sent";
    for (const char* id : {"r", "c", "p"}) {
      EXPECT_EQ(upstream.at(id).document.to_json(), document_of(all_numbers())) << id;
    }
  }
  report("sender's backup", kRounds);
}

TEST_F(Restored, ACopyTellsNobodyTwice) {
  begin();
  sent_updates(1);
  for (int round = 0; round < kRounds; ++round) {
    update();  // it waits here, and in the copy
    const std::string copied = path("copy-" + std::to_string(round));
    copy(store(), copied);
    expect_sent();
    const Ran halted = bare({"--store", copied, "sync"});
    EXPECT_EQ(halted.exit, 76) << halted.out;
    const Ran ran = bare({"--store", copied, "sync", "--copied"});
    EXPECT_EQ(ran.exit, 65) << "the runs are the first store's: " << ran.out << ran.err;
    EXPECT_THAT(ran.err, ::testing::HasSubstr("the other store sends those"));
    expect_all_there();
    sent_updates(1);
    expect_all_there();
  }
  report("copied", kRounds);
}

}  // namespace
}  // namespace cairn::tests
