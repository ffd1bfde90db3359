// Files of a store that are missing, foreign, of another version, or not what they should be.
#include "tests/corruption/killed_store.h"
#include "wal/format.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class StoreFiles : public KilledStore {
 protected:
  void expect_refused(Code code, const std::string& text) {
    auto opened = open();
    ASSERT_FALSE(opened.ok()) << "expected: " << text;
    EXPECT_EQ(opened.code(), code) << engine::error_detail().message;
    EXPECT_THAT(engine::error_detail().message, HasSubstr(text));
  }
  void expect_whole(const std::string& when) {
    auto opened = open();
    ASSERT_TRUE(opened.ok()) << when << ": " << engine::error_detail().message;
    expect_runs(**opened, kAcknowledged, when);
  }
  void put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    chmod(path(name).c_str(), 0600);
  }
  /// What an open may never write: all but who holds the lock and LMDB's reader slots.
  FileBytes without_locks() const {
    FileBytes all = read_all();
    all.erase("LOCK");
    all.erase("data/lock.mdb");
    return all;
  }
  int rename_to(const std::string& from, const std::string& to) const {
    return rename(path(from).c_str(), path(to).c_str());
  }
};

TEST_F(StoreFiles, MissingTablesAreCorruptAndNotMadeAnew) {
  ASSERT_EQ(rename_to("data", "../data-elsewhere"), 0);
  const FileBytes before = without_locks();
  expect_refused(Code::kCorrupt, "data/ is missing");
  EXPECT_EQ(without_locks(), before);
  ASSERT_EQ(rename_to("../data-elsewhere", "data"), 0);
  expect_whole("brought back");
}

TEST_F(StoreFiles, AMissingLogIsCorruptAndNotMadeAnew) {
  ASSERT_EQ(rename_to("wal", "../wal-elsewhere"), 0);
  expect_refused(Code::kCorrupt, "wal/, LSN 6 and what followed: it holds no segment");
  EXPECT_NE(access(path("wal").c_str(), F_OK), 0) << "refused, and yet something was made";
  ASSERT_EQ(rename_to("../wal-elsewhere", "wal"), 0);
  expect_whole("brought back");
}

// Without it the store looks as if its creation had been cut; but then there would be no records yet.
TEST_F(StoreFiles, AMissingStoreFileBesideRunsOrRecordsIsRefusedUntouched) {
  ASSERT_EQ(rename_to("STORE", "../STORE-elsewhere"), 0);
  const FileBytes before = without_locks();
  expect_refused(Code::kCorrupt, "STORE is missing: `cairn repair` makes it anew");
  EXPECT_EQ(without_locks(), before);
  ASSERT_EQ(rename_to("../STORE-elsewhere", "STORE"), 0);
  expect_whole("brought back");
}

TEST(NewbornStore, AMissingStoreFileBesideALogOfRecordsIsRefused) {
  TemporaryDirectory directory;
  engine::StoreOptions o;
  o.directory = directory.path() + "/store";
  o.segment_bytes = 256u << 10;
  ChildProcess child([&o](ChildProcess&) {  // killed before its first checkpoint: the tables hold no run
    auto store = engine::Store::open(o);
    engine::StartOptions start;
    start.id = "a";
    const bool started = store.ok() && (*store)->start(start, engine::Durability::kPower).ok();
    _exit(started ? 0 : 1);
  });
  child.expect_success();
  const std::string store_file = o.directory + "/STORE";
  ASSERT_EQ(rename(store_file.c_str(), (directory.path() + "/STORE-elsewhere").c_str()), 0);
  EXPECT_EQ(engine::Store::open(o).code(), Code::kCorrupt);
  EXPECT_THAT(engine::error_detail().message, HasSubstr("STORE is missing"));
  ASSERT_EQ(rename((directory.path() + "/STORE-elsewhere").c_str(), store_file.c_str()), 0);
  auto opened = engine::Store::open(o);
  ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
  EXPECT_TRUE((*opened)->find("a").ok());
}

TEST_F(StoreFiles, MissingStagingLosesWhatWasStagedAndNoMore) {
  for (const std::string& name : list("staging/")) {
    ASSERT_EQ(unlink(path("staging/" + name).c_str()), 0);
  }
  auto opened = open();
  ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
  expect_runs(**opened, kDurable, "without staging");
}

TEST_F(StoreFiles, StagingOfAnotherStoreOrBootIsIgnored) {
  KilledStore::flip("staging/00", 40);  // store id
  auto opened = open();
  ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
  expect_runs(**opened, kDurable, "another store's");
  opened = Status(Code::kNotFound);
  bring_back();
  engine::StoreOptions o = options();
  o.hooks.boot_id = {1, 2, 3};
  o.hooks.has_boot_id = true;
  opened = engine::Store::open(o);
  ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
  expect_runs(**opened, kDurable, "after a reboot");
}

TEST_F(StoreFiles, ASegmentThatWasRenamedOrCopiedIsCorrupt) {
  const std::string segment = newest_segment();
  ASSERT_EQ(rename_to(segment, "wal/0000000000000042.wal"), 0);
  expect_refused(Code::kCorrupt, "0000000000000042.wal");
  ASSERT_EQ(rename_to("wal/0000000000000042.wal", segment), 0);
  put("wal/0000000000000042.wal", good_.at(segment) + std::string((256u << 10) - good_.at(segment).size(), '\0'));
  expect_refused(Code::kCorrupt, "0000000000000042.wal");
  ASSERT_EQ(unlink(path("wal/0000000000000042.wal").c_str()), 0);
  expect_whole("put right");
}

TEST_F(StoreFiles, ASegmentOfAnotherStoreIsRefusedUntouched) {
  std::string bytes = good_.at(newest_segment());
  for (uint32_t copy = 0; copy < 2; ++copy) {
    auto header = wal::decode_segment_header({bytes.data() + copy * 4096, 4096}, copy);
    ASSERT_TRUE(header.has_value());
    header->store[0] = static_cast<uint8_t>(header->store[0] ^ 1);
    const auto encoded = wal::encode_segment_header(*header, copy);
    bytes.replace(copy * 4096, encoded.size(), encoded.data(), encoded.size());
  }
  put(newest_segment(), bytes + std::string((256u << 10) - bytes.size(), '\0'));
  const FileBytes before = without_locks();
  expect_refused(Code::kNotAStore, "");
  EXPECT_EQ(without_locks(), before);
}

TEST_F(StoreFiles, ALogOfANewerVersionIsRefusedUntouched) {
  std::string bytes = good_.at(newest_segment());
  for (uint32_t copy = 0; copy < 2; ++copy) {
    auto header = wal::decode_segment_header({bytes.data() + copy * 4096, 4096}, copy);
    ASSERT_TRUE(header.has_value());
    header->version = 2;
    const auto encoded = wal::encode_segment_header(*header, copy);
    bytes.replace(copy * 4096, encoded.size(), encoded.data(), encoded.size());
  }
  put(newest_segment(), bytes + std::string((256u << 10) - bytes.size(), '\0'));
  const FileBytes before = without_locks();
  expect_refused(Code::kVersion, "");
  EXPECT_EQ(without_locks(), before);
}

TEST_F(StoreFiles, AForeignLockIsNotWrittenOver) {
  put("../thesis", "years of work");
  ASSERT_EQ(unlink(path("LOCK").c_str()), 0);
  ASSERT_EQ(link(path("../thesis").c_str(), path("LOCK").c_str()), 0);
  expect_refused(Code::kUnsafe, "LOCK");
  ASSERT_EQ(unlink(path("LOCK").c_str()), 0);
  ASSERT_EQ(symlink("../thesis", path("LOCK").c_str()), 0);
  expect_refused(Code::kUnsafe, "LOCK");
  ASSERT_EQ(unlink(path("LOCK").c_str()), 0);
  ASSERT_EQ(mkfifo(path("LOCK").c_str(), 0600), 0);
  expect_refused(Code::kUnsafe, "LOCK");
  ASSERT_EQ(unlink(path("LOCK").c_str()), 0);
  ASSERT_EQ(mkdir(path("LOCK").c_str(), 0700), 0);
  expect_refused(Code::kUnsafe, "LOCK");
  ASSERT_EQ(rmdir(path("LOCK").c_str()), 0);
  EXPECT_EQ(read_data(path("../thesis")), "years of work");
  put("LOCK", "pid=4294967295\nnonsense \xff");
  expect_whole("with nonsense in LOCK");
}

TEST_F(StoreFiles, LinksAndOtherKindsInAFilesPlaceAreUnsafe) {
  std::vector<std::string> names = {"STORE", "staging/00", newest_segment(), "RESERVE"};
  for (const std::string& name : names) {
    bring_back();
    const bool there = good_.count(name) != 0;
    if (there) {
      ASSERT_EQ(rename_to(name, "../kept"), 0);
    } else {
      put("../kept", "x");
    }
    ASSERT_EQ(link(path("../kept").c_str(), path(name).c_str()), 0) << name;
    expect_refused(Code::kUnsafe, "");
    ASSERT_EQ(unlink(path(name).c_str()), 0);
    ASSERT_EQ(symlink(path("../kept").c_str(), path(name).c_str()), 0) << name;
    expect_refused(Code::kUnsafe, "");
    ASSERT_EQ(unlink(path(name).c_str()), 0);
    if (geteuid() == 0 && there) {
      put(name, "x");
      ASSERT_EQ(chown(path(name).c_str(), 65534, 65534), 0);
      expect_refused(Code::kUnsafe, "");
      ASSERT_EQ(unlink(path(name).c_str()), 0);
    }
    if (there) {
      ASSERT_EQ(rename_to("../kept", name), 0);
    } else {
      ASSERT_EQ(unlink(path("../kept").c_str()), 0);
    }
    expect_whole(name + " put right");
  }
}

TEST_F(StoreFiles, FilesThatAreNotOursBesideItDoNotMatter) {
  put("notes.txt", "mine");
  put("wal/notes.txt", "mine");
  expect_whole("with notes");
  EXPECT_EQ(read_data(path("notes.txt")), "mine");
  EXPECT_EQ(read_data(path("wal/notes.txt")), "mine");
}

TEST_F(StoreFiles, DirectoriesOfOthersAreUnsafe) {
  ASSERT_EQ(chmod(path().c_str(), 0770), 0);
  expect_refused(Code::kUnsafe, "chmod -R go-rwxs");
  ASSERT_EQ(chmod(path().c_str(), 0700), 0);
  if (geteuid() == 0) {
    ASSERT_EQ(chown(path().c_str(), 65534, 65534), 0);
    expect_refused(Code::kUnsafe, "another user");
    ASSERT_EQ(chown(path().c_str(), 0, 0), 0);
  }
  expect_whole("put right");
}

// The tables are LMDB's: what damaged pages do to a process is done to a child.
TEST_F(StoreFiles, DamagedTablePagesAreReportedAndNeverServedWrong) {
  std::map<std::string, int> outcomes;
  const uint64_t used = good_.at("data/data.mdb").size();
  uint64_t random = 88172645463325252;
  for (int round = 0; round < 200; ++round) {
    bring_back();
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    flip("data/data.mdb", random % used, 1 << (random >> 61));
    ChildProcess child([this](ChildProcess&) {
      fclose(stderr);
      auto opened = open();
      if (!opened.ok()) {
        _exit(opened.code() == Code::kCorrupt || opened.code() == Code::kVersion ? 10 : 11);
      }
      for (int run = 0; run < kRuns; ++run) {
        auto found = (*opened)->find(id(run));
        if (!found.ok()) {
          _exit(found.code() == Code::kCorrupt ? 10 : 12);
        }
      }
      expect_runs(**opened, kAcknowledged, "round");
      fclose(stdout);
      _exit(HasFailure() ? 13 : 0);
    });
    const int status = child.join();
    const int exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ASSERT_TRUE(exit == -1 || exit == 0 || exit == 10) << "round " << round << ", exit " << exit;
    ++outcomes[exit == -1 ? "killed its process" : exit == 0 ? "whole" : "reported"];
  }
  printf("damage: tables, 200 bits flipped: %d reported, %d recovered whole, %d killed the process that opened them\n",
         outcomes["reported"], outcomes["whole"], outcomes["killed its process"]);
}

}  // namespace
}  // namespace cairn::tests
