// Every single file of a store removed, emptied, cut, doubled, or exchanged for an older state of itself: a table of
// what an open makes of it. Whatever is done, what was acknowledged is there or the damage is reported; the cells where
// that cannot be told are listed (wal/FORMAT.md, "Not promised"). Open, readers, repair and verify judge alike.
#include <filesystem>
#include <functional>

#include "engine/directory/identity.h"
#include "engine/maintenance/repair.h"
#include "engine/reader/store_reader.h"
#include "tests/corruption/killed_store.h"
#include "wal/reader.h"

namespace cairn::tests {
namespace {

/// A store that was killed: idle, when the tables hold all of the log, or busy, with full segments that they do not
/// hold.
class EveryFile : public ::testing::Test {
 protected:
  static constexpr uint64_t kOlder = 5;
  static constexpr uint64_t kDurable = 60;
  static constexpr uint64_t kAcknowledged = 64;

  void idle_store() {
    live([this](engine::Store& store) {
      begin(store);
      ASSERT_TRUE(store.step(0).ok());
    });
    older_ = read_all();
    live([this](engine::Store& store) {
      count_to(store, 30, engine::Durability::kPower);
      ASSERT_TRUE(store.checkpoint().ok());
      count_to(store, kDurable, engine::Durability::kPower);
      ASSERT_TRUE(store.step(0).ok());
      count_to(store, kAcknowledged, engine::Durability::kProcess);
    });
    good_ = read_all();
  }
  void busy_store() {
    live([this](engine::Store& store) {
      begin(store);
      count_to(store, 20, engine::Durability::kPower);
      ASSERT_TRUE(store.checkpoint().ok());
      count_to(store, kDurable - 2, engine::Durability::kPower);
      std::filesystem::copy(path(), directory_.path() + "/older", std::filesystem::copy_options::recursive);
      count_to(store, kDurable, engine::Durability::kPower);
      count_to(store, kAcknowledged, engine::Durability::kProcess);
    });
    good_ = read_all();
    older_ = read_all(directory_.path() + "/older/");
  }
  static void begin(engine::Store& store) {
    engine::StartOptions o;
    o.id = "run";
    ASSERT_TRUE(store.start(o).ok());
    count_to(store, kOlder, engine::Durability::kPower);
  }

  [[nodiscard]] std::string path(const std::string& name = {}) const { return directory_.path() + "/store/" + name; }
  engine::StoreOptions options() {
    engine::StoreOptions o;
    o.directory = path();
    o.segment_bytes = 256u << 10;
    o.metadata_bytes_max = 16u << 10;
    o.mark_crashed = false;
    testing::use_clock(o.hooks, *this);
    return o;
  }

  /// What an open gives: "whole", "staging lost", "LOST", or the error code.
  std::string opened() {
    auto store = engine::Store::open(options());
    if (!store.ok()) {
      return "code " + std::to_string(static_cast<int>(store.code()));
    }
    auto run = (*store)->find("run");
    const uint64_t sequence = run.ok() ? (*run)->version.load() : 0;
    return of_sequence(sequence);
  }
  static std::string of_sequence(uint64_t sequence) {
    return sequence == kAcknowledged ? "whole" : sequence >= kDurable ? "staging lost" : "LOST";
  }
  std::string read_beside() {
    engine::StoreReader::Options o;
    o.directory = path();
    testing::use_clock(o.hooks, *this);
    auto reader = engine::StoreReader::open(std::move(o));
    if (!reader.ok()) {
      return "code " + std::to_string(static_cast<int>(reader.code()));
    }
    auto run = (*reader)->read("run");
    if (!run.ok()) {
      return "code " + std::to_string(static_cast<int>(run.code()));
    }
    return of_sequence(*run ? (*run)->record.sequence : 0);
  }
  std::string repair_finds() {
    engine::RepairOptions o;
    o.directory = path();
    testing::use_clock(o.hooks, *this);
    auto report = engine::repair(o);
    if (!report.ok()) {
      return "code " + std::to_string(static_cast<int>(report.code()));
    }
    return report->damage.empty() ? "fine" : report->damage[0];
  }

  /// Every file as it is, whole.
  FileBytes read_all() const { return read_all(path()); }
  static FileBytes read_all(const std::string& top) {
    FileBytes all;
    for (const char* part : {"", "data/", "staging/", "wal/"}) {
      DIR* stream = opendir((top + part).c_str());
      while (const dirent* entry = stream == nullptr ? nullptr : readdir(stream)) {
        const std::string name = part + std::string(entry->d_name);
        struct stat s {};
        if (lstat((top + name).c_str(), &s) == 0 && S_ISREG(s.st_mode)) {
          all[name] = bytes_of(top + name, s.st_size);
        }
      }
      if (stream != nullptr) {
        closedir(stream);
      }
    }
    return all;
  }
  /// In place, so that a file that is there keeps its inode.
  void write(const std::string& name, const std::string& bytes) const {
    const int fd = ::open(path(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0) << name;
    ASSERT_EQ(ftruncate(fd, 0), 0);
    const size_t used = bytes.find_last_not_of('\0') + 1;
    ASSERT_EQ(pwrite(fd, bytes.data(), used, 0), static_cast<ssize_t>(used));
    ASSERT_EQ(ftruncate(fd, static_cast<off_t>(bytes.size())), 0);
    ::close(fd);
  }
  void bring_back() const {
    for (const auto& [name, bytes] : read_all()) {
      if (good_.count(name) == 0) {
        unlink(path(name).c_str());
      }
    }
    if (access((directory_.path() + "/kept").c_str(), F_OK) == 0 && !removed_.empty()) {
      rename((directory_.path() + "/kept").c_str(), path(removed_).c_str());
    }
    for (const auto& [name, bytes] : good_) {
      write(name, bytes);
    }
  }
  void remove(const std::string& name) {
    removed_ = name;
    ASSERT_EQ(rename(path(name).c_str(), (directory_.path() + "/kept").c_str()), 0) << name;
  }

  testing::FakeClock time_;

 public:
  testing::FakeClock& clock() { return time_; }

 protected:
  TemporaryDirectory directory_{access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"};
  FileBytes older_;
  FileBytes good_;
  std::string removed_;

 private:
  static std::string bytes_of(const std::string& name, off_t size) {
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    std::string bytes(static_cast<size_t>(size), '\0');
    EXPECT_EQ(pread(fd, bytes.data(), bytes.size(), 0), size);
    ::close(fd);
    return bytes;
  }
  void live(const std::function<void(engine::Store&)>& script) {
    ChildProcess child([&](ChildProcess&) {
      auto store = engine::Store::open(options());
      if (store.ok()) {
        script(**store);
      }
      fflush(nullptr);
      _exit(!store.ok() || ::testing::Test::HasFailure() ? 1 : 0);  // as a kill: nothing is closed
    });
    child.expect_success();
  }
  /// Large enough that the log takes several segments.
  static void count_to(engine::Store& store, uint64_t last, engine::Durability durability) {
    auto run = store.find("run");
    ASSERT_TRUE(run.ok());
    for (uint64_t n = (*run)->version.load() + 1; n <= last; ++n) {
      engine::Outcome outcome;
      const std::string value = std::to_string(n) + std::string(12'000, 'n');
      ASSERT_TRUE(store.apply(**run, {engine::OperationType::kSet, "n", value}, outcome, durability).ok());
    }
  }

 protected:
  /// Does each thing to each file, and holds what comes of it against `table`: what is not in there is whole.
  void expect_table(const std::map<std::string, std::string>& table) {
    size_t met = 0;
    for (const auto& [name, bytes] : good_) {
      for (const std::string how : {"removed", "emptied", "cut", "cut at its end", "doubled", "older"}) {
        if (how == "older" && older_.count(name) == 0) {
          continue;
        }
        bring_back();
        damage(name, bytes, how);
        if (HasFatalFailure()) {
          return;
        }
        const auto expected = table.find(name + " " + how);
        met += expected != table.end() ? 1 : 0;
        expect_cell(name + " " + how, expected == table.end() ? "whole" : expected->second);
        removed_ = how == "removed" ? name : "";
      }
    }
    EXPECT_EQ(met, table.size()) << "a line of the table names no file";
  }

  void damage(const std::string& name, const std::string& bytes, const std::string& how) {
    if (how == "removed") {
      remove(name);
    } else if (how == "emptied") {
      write(name, "");
    } else if (how == "cut") {
      // The tables' file is as long as its map, and most of that is unused.
      write(name, bytes.substr(0, (name == "data/data.mdb" ? bytes.find_last_not_of('\0') : bytes.size()) / 2));
    } else if (how == "cut at its end") {
      write(name, bytes.substr(0, bytes.size() - std::min<size_t>(bytes.size(), 5000)));
    } else if (how == "doubled") {
      write(name, bytes + bytes);
    } else {
      write(name, older_.at(name));
    }
  }
  void expect_cell(const std::string& cell, const std::string& expected) {
    const std::string read = read_beside();
    const std::string repair = repair_finds();
    const std::string judged = opened();
    EXPECT_EQ(judged, expected) << cell;
    EXPECT_EQ(read, judged) << cell;
    // A store opens without its staging: what it held was never promised beyond a kill. Repair names it.
    const bool of_staging = repair.rfind("staging: ", 0) == 0;
    EXPECT_EQ(repair == "fine" || of_staging, judged != kReported) << cell << ": " << repair;
  }
  static constexpr const char* kReported = "code 68";
  static constexpr const char* kCannotBeTold = "LOST";
};

const std::map<std::string, std::string>& common_cells() {
  static const std::map<std::string, std::string> cells = {{"STORE removed", "code 68"},
                                                           {"STORE emptied", "code 68"},
                                                           {"STORE cut", "code 68"},
                                                           {"STORE cut at its end", "code 68"},
                                                           {"data/data.mdb removed", "code 68"},
                                                           {"data/data.mdb emptied", "code 68"},
                                                           {"data/data.mdb cut", "code 68"},
                                                           {"staging/00 removed", "staging lost"},
                                                           {"staging/00 emptied", "staging lost"},
                                                           {"staging/00 cut", "staging lost"},
                                                           {"staging/00 cut at its end", "staging lost"},
                                                           {"staging/00 older", "staging lost"}};
  return cells;
}

TEST_F(EveryFile, OfAnIdleStoreIsWholeOrReported) {
  idle_store();
  std::map<std::string, std::string> table = common_cells();
  table["data/data.mdb older"] = kReported;
  const std::string newest = "wal/0000000000000004.wal ";
  for (const char* how : {"removed", "emptied", "cut", "cut at its end"}) {
    table[newest + how] = kReported;
  }
  table["wal/0000000000000005.wal emptied"] = kReported;  // a spare; it may have been the newest segment
  expect_table(table);
}

TEST_F(EveryFile, OfABusyStoreIsWholeOrReported) {
  busy_store();
  std::map<std::string, std::string> table = common_cells();
  for (const std::string full : {"wal/0000000000000001.wal ", "wal/0000000000000002.wal "}) {
    for (const char* how : {"removed", "emptied", "cut"}) {
      table[full + how] = kReported;
    }
  }
  const std::string newest = "wal/0000000000000003.wal ";
  for (const char* how : {"removed", "emptied", "cut", "cut at its end"}) {
    table[newest + how] = kReported;
  }
  table[newest + "older"] = kCannotBeTold;
  expect_table(table);
}

}  // namespace
}  // namespace cairn::tests
