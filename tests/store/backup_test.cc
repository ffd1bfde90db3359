// A backup is the store as of one moment, and a store of its own.
#include "engine/maintenance/backup.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/child_process.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

class Backup : public StoreTest {
 protected:
  [[nodiscard]] std::string copy() const { return directory_.path() + "/copy"; }
  Result<engine::BackupReport> back_up(const std::function<bool(uint64_t)>& go_on = {}) {
    engine::BackupOptions o;
    o.directory = path();
    o.target = copy();
    o.go_on = go_on;
    return engine::back_up(o);
  }
  /// From here on the fixture's language speaks of the copy.
  void open_copy() {
    close();
    name_ = "copy";
    open();
  }
  /// What there is in the test's directory beside the store.
  std::string beside() {
    std::string names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      names += entry.path().filename() == "store" ? "" : entry.path().filename().string() + " ";
    }
    return names;
  }
};

TEST_F(Backup, HoldsWhatIsInTheTablesInTheLogAndInStaging) {
  open();
  set(start("stored"), "a", "1");
  ASSERT_TRUE(store_->checkpoint().ok());
  set(start("logged"), "b", "2", engine::Durability::kPower);
  const engine::RunRef staged = start("staged");
  set(staged, "c", "3.5");
  auto report = back_up();
  ASSERT_TRUE(report.ok()) << engine::error_detail().message;
  EXPECT_EQ(report->runs, 3u);
  set(staged, "c", "4");  // the original goes on
  const auto original = store_->store_id();
  open_copy();
  EXPECT_EQ(json("stored"), R"({"a":1})");
  EXPECT_EQ(json("logged"), R"({"b":2})");
  EXPECT_EQ(json("staged"), R"({"c":3.5})");
  EXPECT_EQ(store_->store_id(), report->store_id);
  EXPECT_NE(store_->store_id(), original);
  EXPECT_FALSE(store_->stats().copied) << "a store of its own, not one that was carried here";
}

TEST_F(Backup, KeepsTheRecordsAsTheyAre) {
  open();
  engine::StartOptions o;
  o.id = "r";
  o.task = "resize";
  o.parent = "p";
  o.root = "q";
  o.tags = {"blue", "night"};
  const engine::RunRef run = *store_->start(o);
  set(run, "a", "1");
  ASSERT_TRUE(store_->finish(*run, engine::RunStatus::kFailed, engine::Durability::kDefault, "no luck").ok());
  const engine::RunRecord before = store_->view(*run).record;
  ASSERT_TRUE(back_up().ok());
  open_copy();
  const engine::RunRecord after = store_->view(*find("r")).record;
  EXPECT_EQ(after.created_lsn, before.created_lsn);
  EXPECT_EQ(after.sequence, before.sequence);
  EXPECT_EQ(after.session, before.session);
  EXPECT_EQ(after.status, before.status);
  EXPECT_EQ(after.task, before.task);
  EXPECT_EQ(after.parent, before.parent);
  EXPECT_EQ(after.root, before.root);
  EXPECT_EQ(after.tags, before.tags);
  EXPECT_EQ(after.created_us, before.created_us);
  EXPECT_EQ(after.updated_us, before.updated_us);
  EXPECT_EQ(after.finished_us, before.finished_us);
  EXPECT_EQ(after.error, "no luck");
  EXPECT_EQ(after.document.to_json(), R"({"a":1})");
}

// A run of the copy that is erased and begun again must be younger than its old life, or replay takes it for that one.
TEST_F(Backup, ItsLogGoesOnBehindTheOriginals) {
  open();
  for (int i = 0; i < 20; ++i) {
    set(start("r" + std::to_string(i)), "n", std::to_string(i), engine::Durability::kPower);
  }
  const uint64_t last = store_->stats().written_lsn;
  auto report = back_up();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->last_lsn, last);
  close();
  name_ = "copy";
  in_child([&] {
    open();
    ASSERT_TRUE(store_->erase("r19").ok());
    set(start("r19"), "again", "true");  // without close
  });
  open();
  EXPECT_GT(store_->view(*find("r19")).record.created_lsn, last);
  EXPECT_EQ(json("r19"), R"({"again":true})");
  EXPECT_EQ(json("r18"), R"({"n":18})");
}

TEST_F(Backup, OfAKilledStoreHoldsWhatItHadAcknowledged) {
  in_child([&] {
    open();
    set(start("r"), "n", "7");  // staged only
  });
  ASSERT_TRUE(back_up().ok());
  open_copy();
  EXPECT_EQ(json("r"), R"({"n":7})");
}

TEST_F(Backup, IsOneMomentOfAStoreThatIsWrittenTo) {
  open();
  const engine::RunRef a = start("a");
  const engine::RunRef b = start("b");
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 1; !done; ++i) {
      const engine::Operation op{engine::OperationType::kSet, "n", engine::Value(int64_t{i})};
      ASSERT_TRUE(store_->transact({{a.get(), op}, {b.get(), op}}).ok());
      if (i % 64 == 0) {
        ASSERT_TRUE(store_->checkpoint().ok());
      }
    }
  });
  std::vector<std::string> texts;
  for (int round = 0; round < 20; ++round) {
    const auto report = back_up();
    EXPECT_TRUE(report.ok()) << engine::error_detail().message;
    engine::StoreReader::Options o;
    o.directory = copy();
    auto reader = engine::StoreReader::open(o);
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*(*reader)->read("a"))->record.document.to_json(), (*(*reader)->read("b"))->record.document.to_json());
    texts.push_back((*(*reader)->read("a"))->record.document.to_json());
    reader->reset();
    std::filesystem::remove_all(copy());
  }
  done = true;
  writer.join();
  EXPECT_NE(texts.front(), texts.back()) << "the writer wrote meanwhile";
}

TEST_F(Backup, OfManyRunsIsWholeAndVerifies) {
  open();
  for (int i = 0; i < 3000; ++i) {
    set(start("r" + std::to_string(i)), "text", '"' + std::string(2000, 'x') + '"');
  }
  uint64_t asked = 0;
  const auto report = back_up([&](uint64_t runs) {
    asked = runs;
    return true;
  });
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->runs, 3000u);
  EXPECT_EQ(asked, 3000u);
  open_copy();
  uint64_t runs = 0;
  ASSERT_TRUE(store_
                  ->each([&](const engine::RunView& run) {
                    ++runs;
                    return run.record.document.to_json().size() == 2011;
                  })
                  .ok());
  EXPECT_EQ(runs, 3000u);
  close();
  engine::Tables::Options tables;
  tables.directory = copy();
  std::vector<engine::TableDamage> damage;
  EXPECT_TRUE(engine::verify_in_child(tables, damage).ok());
}

TEST_F(Backup, OfAnEmptyStoreIsAnEmptyStoreAlsoByARelativeName) {
  open();
  engine::BackupOptions o;
  o.directory = path();
  o.target = std::filesystem::relative(copy());
  ASSERT_TRUE(engine::back_up(o).ok()) << engine::error_detail().message;
  open_copy();
  set(start("first"), "a", "1");
  EXPECT_EQ(store_->view(*find("first")).record.created_lsn, 1u);
}

TEST_F(Backup, RefusesATargetThatIsThere) {
  open();
  ASSERT_EQ(mkdir(copy().c_str(), 0700), 0);
  EXPECT_EQ(back_up().code(), Code::kExists);
  EXPECT_TRUE(std::filesystem::is_empty(copy()));
  EXPECT_EQ(beside(), "copy ");
}

TEST_F(Backup, RefusesATargetInTheStoreAndOneWithoutAPlace) {
  open();
  engine::BackupOptions o;
  o.directory = path();
  o.target = path() + "/../store/copy";
  EXPECT_EQ(engine::back_up(o).code(), Code::kInvalidArgument);
  o.target = directory_.path() + "/none/copy";
  EXPECT_EQ(engine::back_up(o).code(), Code::kIo);
  EXPECT_EQ(beside(), "");
}

TEST_F(Backup, ThatIsStoppedLeavesNothing) {
  open();
  start("a");
  start("b");
  EXPECT_EQ(back_up([](uint64_t runs) { return runs < 2; }).code(), Code::kTimeout);
  EXPECT_EQ(beside(), "");
}

TEST_F(Backup, OfADamagedStoreIsRefusedAndLeavesNothing) {
  in_child([&] {
    open();
    set(start("a"), "n", "1", engine::Durability::kPower);
    set(find("a"), "n", "2", engine::Durability::kPower);
  });
  std::fstream segment(path() + "/wal/0000000000000001.wal", std::ios::in | std::ios::out | std::ios::binary);
  segment.seekp(8192 + 40);  // within the first record
  segment.put('!').flush();
  ASSERT_TRUE(segment.good());
  EXPECT_EQ(back_up().code(), Code::kCorrupt);
  EXPECT_EQ(beside(), "");
}

TEST_F(Backup, HasTheRightsOfAStoreWhateverTheUmask) {
  open();
  const mode_t before = umask(0);
  const auto report = back_up();
  umask(before);
  ASSERT_TRUE(report.ok());
  struct stat s;
  for (const auto& [name, mode] : {std::pair{"", 0700u}, {"/STORE", 0600u}, {"/data", 0700u}, {"/wal", 0700u}}) {
    ASSERT_EQ(stat((copy() + name).c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 07777, mode) << name;
  }
}

}  // namespace
}  // namespace cairn::tests
