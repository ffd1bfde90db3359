// Several processes that each open a store of their own under one directory.
#include "engine/maintenance/slots.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cairn/cairn.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/directory/store_directory.h"
#include "engine/directory/store_lock.h"
#include "tests/api/api_fixture.h"
#include "tests/support/child_process.h"

namespace cairn::tests {
namespace {

class Slots : public ApiTest {
 protected:
  void SetUp() override {}

  [[nodiscard]] std::string slot(uint32_t number) const { return path() + "/" + engine::slot_name(number); }

  cairn_status try_open_slot(const char* run_id, cairn_options o) {
    return cairn_store_open_slot(path().c_str(), run_id, &o, &store_);
  }
  cairn_status try_open_slot(const char* run_id = nullptr) { return try_open_slot(run_id, options()); }
  void open_slot(const char* run_id = nullptr) { CAIRN_ASSERT_OK(try_open_slot(run_id)); }

  /// The number of the slot that this test's store is.
  std::string opened() {
    std::string name(512, '\0');
    size_t bytes = 0;
    CAIRN_EXPECT(CAIRN_OK, cairn_store_directory(store_, name.data(), name.size(), &bytes));
    name.resize(bytes);
    return name.substr(name.rfind('/') + 1);
  }

  /// A process that opens a free slot, starts `run` in it with {"n":1} to {"n":3}, calls `then`, says so, and waits;
  /// let go, it closes the slot.
  std::unique_ptr<ChildProcess> owner_of(
      const std::string& run, const std::function<void()>& then = [] {}) {
    auto child = std::make_unique<ChildProcess>([&](ChildProcess& self) {
      store_ = nullptr;
      run_ = nullptr;
      open_slot();
      start(run.c_str());
      for (int i = 1; i <= 3; ++i) {
        CAIRN_EXPECT(CAIRN_OK, set("n", i));
      }
      then();
      self.go();
      self.wait();
      close_run();
      close();
    });
    child->wait();
    return child;
  }
  static void end(const std::unique_ptr<ChildProcess>& owner) {
    owner->go();
    owner->expect_success();
  }

  void flip_a_byte(const std::string& file) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(40);
    const char byte = static_cast<char>(f.get() ^ 0x40);
    f.seekp(40);
    f.put(byte);
    ASSERT_TRUE(f.good()) << file;
  }
};

TEST_F(Slots, EightProcessesAtOnceGetEightSlots) {
  std::vector<std::unique_ptr<ChildProcess>> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(std::make_unique<ChildProcess>([&](ChildProcess& self) {
      self.go();
      self.wait();  // all are let go at the same moment, on a directory that is not there yet
      open_slot();
      start(("run-" + std::to_string(i)).c_str());
      CAIRN_EXPECT(CAIRN_OK, set("worker", i));
      self.go();
      self.wait();
      close_run();
      close();
    }));
  }
  for (const auto& child : children) {
    child->wait();
  }
  for (const auto& child : children) {
    child->go();
  }
  for (const auto& child : children) {
    child->wait();
  }
  // All are open now: each has a slot of its own, the lowest eight, with its own run in it.
  std::set<std::string> runs;
  for (uint32_t i = 0; i < 8; ++i) {
    const auto seen = Store::open_read_only(slot(i)).list();
    ASSERT_EQ(seen.size(), 1u) << slot(i);
    runs.insert(seen[0].id);
  }
  EXPECT_EQ(runs.size(), 8u);
  EXPECT_EQ(engine::list_slots(path())->size(), 8u);
  for (const auto& child : children) {
    child->go();
    child->expect_success();
  }
}

TEST_F(Slots, TheLowestFreeSlotIsUsedAgain) {
  const auto first = owner_of("a");
  const auto second = owner_of("b");
  end(first);
  open_slot();
  EXPECT_EQ(opened(), "slot-000");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_resume(store_, "a", &run_));
  EXPECT_EQ(current(), "{\"n\":3}");
  end(second);
}

TEST_F(Slots, ARunOfAKilledProcessIsFoundWhereItWasOnlyStaged) {
  const auto other = owner_of("other");
  owner_of("lost")->kill_now();
  // A slot without an owner and with a lower number is there too.
  end(other);
  open_slot("lost");
  EXPECT_EQ(opened(), "slot-001");
  cairn_stats stats = {};
  stats.struct_bytes = sizeof stats;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_stats(store_, &stats));
  EXPECT_EQ(stats.recovered_runs, 1u) << "it was in the log or the tables already: the test shows nothing";
  CAIRN_ASSERT_OK(cairn_run_resume(store_, "lost", &run_));
  EXPECT_EQ(current(), "{\"n\":3}");
  CAIRN_EXPECT(CAIRN_OK, set("n", 4));
}

TEST_F(Slots, ARunInTheLogOrTheTablesIsFound) {
  const auto first = owner_of("in-the-tables");
  owner_of("in-the-log", [this] { CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_)); })->kill_now();
  end(first);
  for (const char* run : {"in-the-log", "in-the-tables", "in-the-log"}) {
    open_slot(run);
    EXPECT_EQ(opened(), std::string(run) == "in-the-log" ? "slot-001" : "slot-000");
    CAIRN_ASSERT_OK(cairn_run_open(store_, run, &run_));
    EXPECT_EQ(current(), "{\"n\":3}");
    close_run();
    close();
  }
}

TEST_F(Slots, ARunWhoseOwnerLivesIsBusyAndSaysWhoItIs) {
  const auto owner = owner_of("mine");
  CAIRN_EXPECT(CAIRN_BUSY, try_open_slot("mine"));
  EXPECT_EQ(store_, nullptr);
  const cairn_error e = last_error();
  EXPECT_NE(std::string(e.message).find("run mine is in " + slot(0)), std::string::npos) << e.message;
  EXPECT_GT(e.owner_pid, 0u);
  EXPECT_NE(e.owner_pid, static_cast<uint64_t>(getpid()));
  EXPECT_EQ(e.owner_alive, 1);
  EXPECT_EQ(engine::list_slots(path())->size(), 1u) << "and no slot was made";
  end(owner);
  open_slot("mine");
  EXPECT_EQ(opened(), "slot-000");
}

TEST_F(Slots, ARunInASlotOfThisProcessIsBusyToo) {
  open_slot();
  start("mine");
  cairn_store* other = nullptr;
  const cairn_options o = options();
  CAIRN_EXPECT(CAIRN_BUSY, cairn_store_open_slot(path().c_str(), "mine", &o, &other));
  EXPECT_EQ(last_error().owner_pid, static_cast<uint64_t>(getpid()));
  CAIRN_EXPECT(CAIRN_OK, set("n", 1));  // the look has left the store as it was
  // Another run, and none, get another slot of the same process.
  CAIRN_EXPECT(CAIRN_OK, cairn_store_open_slot(path().c_str(), "another", &o, &other));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(other, -1));
}

TEST_F(Slots, ARunThatNoSlotHoldsGetsAFreeOne) {
  owner_of("a")->kill_now();
  open_slot("unknown");
  EXPECT_EQ(opened(), "slot-000");
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_run_resume(store_, "unknown", &run_));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_resume(store_, "a", &run_));  // what is in a free slot is its new owner's
}

TEST_F(Slots, ThreadsOfOneProcessThatSearchAtOnceAllFindTheirRuns) {
  std::vector<cairn_store*> stores;
  for (const char* id : {"a", "b", "c", "d"}) {
    open_slot();
    start(id);
    stores.push_back(store_);
    store_ = nullptr;
  }
  close_run();
  for (cairn_store* s : stores) {
    CAIRN_EXPECT(CAIRN_OK, cairn_store_close(s, -1));
  }
  std::vector<std::thread> threads;
  for (const char* id : {"a", "b", "c", "d"}) {
    threads.emplace_back([this, id] {
      for (int i = 0; i < 10; ++i) {
        cairn_store* store = nullptr;
        cairn_run* run = nullptr;
        const cairn_options o = options();
        CAIRN_EXPECT(CAIRN_OK, cairn_store_open_slot(path().c_str(), id, &o, &store));
        CAIRN_EXPECT(CAIRN_OK, cairn_run_resume(store, id, &run));
        CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
        CAIRN_EXPECT(CAIRN_OK, cairn_store_close(store, -1));
      }
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
}

TEST_F(Slots, AnotherThreadsLookIsWaitedFor) {
  open_slot();
  start("a");
  close_run();
  close();
  cairn_options o = options();
  o.flags = CAIRN_OPEN_READ_ONLY;
  cairn_store* reader = nullptr;  // keeps the tables open in this process, as a look does
  CAIRN_ASSERT_OK(cairn_store_open(slot(0).c_str(), &o, &reader));
  CAIRN_EXPECT(CAIRN_BUSY, try_open_slot("a"));
  std::thread other([reader] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_close(reader, -1));
  });
  CAIRN_EXPECT(CAIRN_OK, try_open_slot("a"));
  other.join();
}

TEST_F(Slots, WhoMakesTheirDirectoryAtTheSameTimeHasIt) {
  for (int round = 0; round < 300; ++round) {
    std::atomic<int> ready{0};
    const auto make = [&] {
      for (++ready; ready < 2;) {
      }
      EXPECT_TRUE(engine::check_directory(path(), true).ok()) << engine::error_detail().message;
    };
    std::thread other(make);
    make();
    other.join();
    ASSERT_EQ(rmdir(path().c_str()), 0);
  }
}

TEST_F(Slots, ADamagedSlotIsLeftOutButARunMayBeInIt) {
  owner_of("a")->kill_now();
  flip_a_byte(slot(0) + "/STORE");
  open_slot();
  EXPECT_EQ(opened(), "slot-001");
  start("b");
  close_run();
  close();
  const cairn_status s = try_open_slot("a");
  EXPECT_TRUE(CAIRN_FAILED(s));
  EXPECT_NE(std::string(last_error().message).find("run a may be in " + slot(0)), std::string::npos)
      << last_error().message;
  open_slot("b");  // it is known where that is
  EXPECT_EQ(opened(), "slot-001");
}

TEST_F(Slots, WhatAKillLeftOfAFirstOpenIsFinished) {
  ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
  ASSERT_EQ(mkdir(slot(0).c_str(), 0700), 0);
  std::ofstream(slot(0) + "/LOCK") << "pid=1\n";
  open_slot("a");
  EXPECT_EQ(opened(), "slot-000");
}

TEST_F(Slots, BadDirectoriesAreRefused) {
  std::ofstream(path()) << "a file";
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, try_open_slot());
  ASSERT_EQ(unlink(path().c_str()), 0);

  ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
  ASSERT_EQ(chmod(path().c_str(), 0777), 0);
  CAIRN_EXPECT(CAIRN_UNSAFE, try_open_slot());
  ASSERT_EQ(rmdir(path().c_str()), 0);

  open();  // a store
  close();
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open_slot());
  EXPECT_NE(std::string(last_error().message).find("is a store itself"), std::string::npos);

  const cairn_options o = options();
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open_slot(nullptr, nullptr, &o, &store_));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open_slot("", nullptr, &o, &store_));
  CAIRN_EXPECT(CAIRN_IO, cairn_store_open_slot("/no/such/parent", nullptr, &o, &store_));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open_slot(path().c_str(), nullptr, &o, nullptr));
  EXPECT_EQ(store_, nullptr);
}

TEST_F(Slots, ForeignFilesInASlotAreNotTouched) {
  ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
  ASSERT_EQ(mkdir(slot(0).c_str(), 0700), 0);
  std::ofstream(slot(0) + "/thesis.txt") << "ten years of work";
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, try_open_slot());
  EXPECT_NE(std::string(last_error().message).find("thesis.txt"), std::string::npos);
}

TEST_F(Slots, OptionsThatMakeNoSlotAreRefused) {
  cairn_options o = options();
  o.flags = CAIRN_OPEN_READ_ONLY;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open_slot(nullptr, o));
  EXPECT_NE(std::string(last_error().message).find("opened to write"), std::string::npos);
  EXPECT_NE(access(path().c_str(), F_OK), 0) << "nothing was made";

  o.flags = CAIRN_OPEN_NO_CREATE;
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, try_open_slot(nullptr, o));
  open_slot();
  cairn_store* second = nullptr;
  CAIRN_EXPECT(CAIRN_BUSY, cairn_store_open_slot(path().c_str(), nullptr, &o, &second));
  close();
  CAIRN_EXPECT(CAIRN_OK, try_open_slot(nullptr, o));
  close();

  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open_slot(""));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open_slot("../../etc"));
  cairn_options bad = options();
  bad.segment_bytes = 1000;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open_slot(nullptr, bad));
}

TEST_F(Slots, TheirNumberHasALimit) {
  // 256 owners, as far as LOCK can tell.
  ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
  std::vector<std::unique_ptr<engine::StoreLock>> locks;
  for (uint32_t i = 0; i < engine::kSlotsMax; ++i) {
    ASSERT_EQ(mkdir(slot(i).c_str(), 0700), 0);
    auto lock = engine::StoreLock::take(slot(i), "owner");
    ASSERT_TRUE(lock.ok()) << i;
    locks.push_back(std::move(*lock));
  }
  in_child([&] {
    CAIRN_EXPECT(CAIRN_BUSY, try_open_slot());
    EXPECT_NE(std::string(last_error().message).find("no more than 256"), std::string::npos) << last_error().message;
  });
  locks[200].reset();
  in_child([&] {
    open_slot();
    EXPECT_EQ(opened(), "slot-200");
    close();
  });
}

TEST_F(Slots, ClosedStoresHaveNoDirectory) {
  open_slot();
  start("a");
  size_t bytes = 0;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_directory(store_, nullptr, 0, nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_directory(store_, nullptr, 0, &bytes));
  EXPECT_EQ(bytes, slot(0).size());
  char small[4];
  CAIRN_EXPECT(CAIRN_TOO_LARGE, cairn_store_directory(store_, small, sizeof small, &bytes));
}

TEST_F(Slots, TheCppFormsDoTheSame) {
  {
    auto store = Store::open_slot(path());
    EXPECT_EQ(store.directory(), slot(0));
    auto run = store.start({.id = "job"});
    run.set("n", 1);
    EXPECT_EQ(Store::try_open_slot(path(), "job").code(), Code::kBusy);
    EXPECT_EQ(Store::open_slot(path()).directory(), slot(1));
  }
  auto store = Store::open_slot(path(), "job");
  EXPECT_EQ(store.resume("job").get(), json({{"n", 1}}));
  EXPECT_EQ(Store::open_read_only(slot(0)).directory(), slot(0));
  EXPECT_THROW(Store::open_slot("/no/such/parent"), Error);
}

}  // namespace
}  // namespace cairn::tests
