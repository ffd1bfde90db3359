// A power cut tears the newest meta page of LMDB, and the tables go back by one commit: what the store then says to its
// upstream.
#include <array>
#include <cstring>
#include <fstream>

#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class TornMeta : public SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    worker.start("p", R"({"n":0})");
    worker.sync_with(up);
    machine = &machine_of("machine");
    machine->open();
    machine->attach();
    machine->start("c", "{}", "p");
    machine->sync_with(up);
    add_to_parent("5");
  }
  void add_to_parent(const std::string& n) { machine->apply_to_parent("c", OperationType::kIncrement, "n", n); }
  /// The process dies, and its last commit with it.
  void lose_last_commit() {
    const std::string image = machine->directory() + ".image";
    std::filesystem::copy(machine->directory(), image, std::filesystem::copy_options::recursive);
    tear_newest(image + "/data/data.mdb");
    machine->replace_by(image);
  }
  [[nodiscard]] bool is_kept(const std::string& ending) const {
    return std::filesystem::exists(machine->directory() + "/data/meta_page_0" + ending) ||
           std::filesystem::exists(machine->directory() + "/data/meta_page_1" + ending);
  }
  [[nodiscard]] sync::Pull asks() const { return machine->sync_state().sender.pull; }

  Site* machine = nullptr;

 private:
  static void tear_newest(const std::string& path) {
    constexpr std::streamoff kPage = 4096;
    constexpr std::streamoff kCommit = 144;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    std::array<uint64_t, 2> commits{};
    for (const int page : {0, 1}) {
      file.seekg(page * kPage + kCommit);
      file.read(reinterpret_cast<char*>(&commits.at(page)), sizeof(uint64_t));
    }
    const int newest = commits[0] < commits[1] ? 1 : 0;
    file.seekp(newest * kPage + 40);
    file << std::string(80, '\7');
    ASSERT_TRUE(file.good());
  }
};

TEST_F(TornMeta, ABatchThatWasSentAndIsForgottenIsNotSentAgain) {
  const std::string message = machine->frozen();
  ASSERT_FALSE(message.empty());
  (void)up.receiver().handle(message);
  lose_last_commit();
  EXPECT_EQ(asks(), sync::Pull::kMoved);
  EXPECT_EQ(machine->sync_state().in_flight_entries, 0u);
  machine->sync_later_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":5})");
  EXPECT_EQ(machine->dead(), std::vector<std::string>{"p: may have been sent"}) << "a person decides";
  EXPECT_EQ(machine->sync_state().sender.halt, sync::Halt::kNone);
}

TEST_F(TornMeta, ABatchThatIsForgottenAndWasNotTakenIsSent) {
  ASSERT_FALSE(machine->frozen().empty());
  lose_last_commit();
  machine->sync_later_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":5})");
  EXPECT_TRUE(machine->dead().empty());
  EXPECT_TRUE(machine->sync_state().all_acknowledged);
}

TEST_F(TornMeta, AnAcknowledgementThatIsForgottenIsHeardAgain) {
  machine->feed(up.receiver().handle(machine->frozen()));
  ASSERT_TRUE(machine->sync_state().all_acknowledged);
  lose_last_commit();
  EXPECT_EQ(machine->sync_state().in_flight_entries, 1u);
  machine->sync_later_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":5})");
  EXPECT_TRUE(machine->dead().empty());
  EXPECT_TRUE(machine->sync_state().all_acknowledged);
}

// The newest commit is that of a new stream, whose first batch the upstream has.
TEST_F(TornMeta, AStreamThatIsForgottenIsThisStores) {
  Site& anew = site("anew");
  anew.open();
  machine->sync_with(up);
  machine->set("c", "a", "1");
  machine->sync_later_with(anew);  // gap: all is sent again, in another stream
  machine->set("c", "a", "2");
  ASSERT_FALSE(machine->frozen().empty());
  lose_last_commit();
  machine->sync_later_with(anew);
  EXPECT_EQ(anew.state("c"), R"({"a":2})");
  EXPECT_EQ(machine->sync_state().sender.halt, sync::Halt::kNone);
}

// Killed between the mend and the note.
TEST_F(TornMeta, TheUpstreamIsAskedAlsoIfTheMendIsAllThatWasDone) {
  machine->sync_with(up);
  lose_last_commit();
  EXPECT_TRUE(is_kept(".mended"));
  EXPECT_FALSE(is_kept(".torn"));
  machine->sync_later_with(up);
  ASSERT_EQ(asks(), sync::Pull::kNone);
  machine->close();
  const std::string data = machine->directory() + "/data/meta_page_";
  for (const char* const page : {"0", "1"}) {
    if (std::filesystem::exists(data + page + ".mended")) {
      std::filesystem::rename(data + page + ".mended", data + page + ".torn");
    }
  }
  machine->open();
  EXPECT_EQ(asks(), sync::Pull::kMoved);
  EXPECT_FALSE(is_kept(".torn"));
  machine->reopen();
  EXPECT_EQ(asks(), sync::Pull::kMoved) << "until the upstream was asked";
}

}  // namespace
}  // namespace cairn::tests
