// A small real store that a killed process left: some runs in the tables, durable records in the log, acknowledged
// updates in staging. Its files are kept in memory, so that a test can damage them and bring them back, again and
// again.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>

#include "tests/support/child_process.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scale.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {

using FileBytes = std::map<std::string, std::string>;  // by name below the store's directory

class KilledStore : public ::testing::Test {
 public:
  struct Host {
    testing::FakeClock time;
    testing::FakeClock& clock() { return time; }
  };

 protected:
  static constexpr int kRuns = 3;
  /// By run: what was durable, and what was acknowledged, when the process was killed.
  static constexpr std::array<uint64_t, kRuns> kDurable = {3, 5, 6};
  static constexpr std::array<uint64_t, kRuns> kAcknowledged = {3, 5, 10};

  void SetUp() override {
    ChildProcess child([this](ChildProcess&) { live(); });
    child.expect_success();
    good_ = read_all();
    ASSERT_EQ(good_.count("STORE"), 1U);
  }
  [[nodiscard]] std::string path(const std::string& name = {}) const {
    return directory_.path() + "/store" + (name.empty() ? "" : "/" + name);
  }
  engine::StoreOptions options() {
    engine::StoreOptions o;
    o.directory = path();
    o.segment_bytes = 256u << 10;
    o.mark_crashed = false;
    testing::use_clock(o.hooks, host_);
    return o;
  }
  /// 1, or more under slow checkers: then only one byte in so many is flipped.
  static uint64_t stride() { return static_cast<uint64_t>(testing::test_scale()); }
  static std::string id(int run) { return "run" + std::to_string(run); }
  static std::string document_at(uint64_t sequence) {
    return sequence < 2 ? "{}" : "{\"n\":" + std::to_string(sequence) + "}";
  }

  /// Every file, without the zeros at its end.
  FileBytes read_all() const {
    FileBytes all;
    for (const char* part : {"", "data/", "staging/", "wal/"}) {
      for (const std::string& name : list(part)) {
        all[part + name] = read_data(path(part + name));
      }
    }
    return all;
  }
  /// data.mdb is sparse and long: holes are not read.
  static std::string read_data(const std::string& name) {
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    std::string bytes;
    for (off_t at = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
      const off_t end = lseek(fd, at, SEEK_HOLE);
      bytes.resize(static_cast<size_t>(end));
      EXPECT_EQ(pread(fd, bytes.data() + at, static_cast<size_t>(end - at), at), end - at);
      at = end;
    }
    ::close(fd);
    bytes.resize(bytes.find_last_not_of('\0') + 1);
    return bytes;
  }
  /// As it was, in place, so that inodes stay.
  void bring_back() const {
    for (const char* part : {"", "staging/", "wal/"}) {
      for (const std::string& name : list(part)) {
        if (good_.count(part + name) == 0) {
          unlink(path(part + name).c_str());
        }
      }
    }
    for (const auto& [name, bytes] : good_) {
      if (name == "data/lock.mdb") {
        continue;
      }
      const int fd = ::open(path(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      ASSERT_GE(fd, 0) << name;
      ASSERT_EQ(pwrite(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
      const bool segment = name.rfind("wal/", 0) == 0;
      const bool staging = name.rfind("staging/", 0) == 0;
      if (segment || staging) {
        ASSERT_EQ(ftruncate(fd, static_cast<off_t>(bytes.size())), 0);
        ASSERT_EQ(ftruncate(fd, 256 << 10), 0);
      }
      ::close(fd);
    }
  }
  void flip(const std::string& name, uint64_t offset, int mask = 0x55) const {
    const int fd = ::open(path(name).c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd, 0) << name;
    char byte = 0;
    ASSERT_EQ(pread(fd, &byte, 1, static_cast<off_t>(offset)), 1);
    byte = static_cast<char>(byte ^ mask);
    ASSERT_EQ(pwrite(fd, &byte, 1, static_cast<off_t>(offset)), 1);
    ::close(fd);
  }
  [[nodiscard]] std::vector<std::string> list(const std::string& part) const {
    std::vector<std::string> names;
    DIR* stream = opendir(path(part).c_str());
    while (const dirent* entry = stream == nullptr ? nullptr : readdir(stream)) {
      struct stat s {};
      if (lstat(path(part + entry->d_name).c_str(), &s) == 0 && S_ISREG(s.st_mode)) {
        names.emplace_back(entry->d_name);
      }
    }
    if (stream != nullptr) {
      closedir(stream);
    }
    return names;
  }
  [[nodiscard]] std::string newest_segment() const {
    std::string newest;
    for (const auto& [name, bytes] : good_) {
      if (name.rfind("wal/", 0) == 0 && bytes.size() > 8192) {
        newest = name;
      }
    }
    return newest;
  }

  Result<std::unique_ptr<engine::Store>> open() { return engine::Store::open(options()); }
  /// Every run has a whole document, at or above `least`; not above what was acknowledged.
  void expect_runs(engine::Store& store, const std::array<uint64_t, kRuns>& least, const std::string& when) {
    for (int run = 0; run < kRuns; ++run) {
      const auto at = static_cast<size_t>(run);
      auto found = store.find(id(run));
      ASSERT_TRUE(found.ok()) << when << ": " << id(run) << " " << engine::error_detail().message;
      std::string text;
      uint64_t sequence = 0;
      ASSERT_TRUE(store
                      .current(**found,
                               [&](const engine::Document& d, uint64_t s) {
                                 text = d.to_json();
                                 sequence = s;
                               })
                      .ok());
      ASSERT_GE(sequence, least[at]) << when << ": " << id(run);
      ASSERT_LE(sequence, kAcknowledged[at]) << when << ": " << id(run);
      ASSERT_EQ(text, document_at(sequence)) << when << ": " << id(run);
    }
  }

  Host host_;
  TemporaryDirectory directory_{access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"};
  FileBytes good_;

 private:
  void update(engine::Store& store, int run, engine::Durability durability) {
    engine::Outcome outcome;
    auto found = store.find(id(run));
    ASSERT_TRUE(found.ok());
    const auto next = static_cast<int64_t>((*found)->version.load() + 1);
    ASSERT_TRUE(store.apply(**found, {engine::OperationType::kSet, "n", next}, outcome, durability).ok());
  }
  void live() {
    using engine::Durability;
    auto opened = open();
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    engine::Store& store = **opened;
    for (int run = 0; run < kRuns; ++run) {
      engine::StartOptions o;
      o.id = id(run);
      ASSERT_TRUE(store.start(o).ok());
    }
    update(store, 0, Durability::kProcess);
    update(store, 0, Durability::kPower);
    ASSERT_TRUE(store.barrier().ok());
    ASSERT_TRUE(store.checkpoint().ok());
    for (int i = 0; i < 4; ++i) {
      update(store, 1, Durability::kPower);
    }
    for (int i = 0; i < 5; ++i) {
      update(store, 2, i == 4 ? Durability::kPower : Durability::kProcess);
    }
    // The log is idle: the durable watermark is noted, so that damage of the last group is no torn tail.
    ASSERT_TRUE(store.step(0).ok());
    host_.time.advance_ms(1500);
    ASSERT_TRUE(store.step(0).ok());
    for (int i = 0; i < 4; ++i) {
      update(store, 2, Durability::kProcess);
    }
    fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);  // as a kill: nothing is closed
  }
};

}  // namespace cairn::tests
