// Several threads wait for one flush: each is woken when it ends. Their waits have no time of their own, so one that is
// forgotten stays for ever.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/support/forwarded_files.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

/// Syncs nothing: the rounds are as short as they can be. But each sync may be held up.
class UnsyncedFiles final : public ForwardedFiles {
 public:
  using ForwardedFiles::ForwardedFiles;
  static inline std::atomic<bool> hold{false};
  static inline std::atomic<int> held{0};
  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    auto file = ForwardedFiles::open(name, mode);
    CAIRN_TRY(file.status());
    return std::unique_ptr<wal::File>(std::make_unique<Unsynced>(std::move(*file)));
  }

 private:
  class Unsynced final : public ForwardedFile {
   public:
    using ForwardedFile::ForwardedFile;
    Status sync() override {
      usleep(100);  // others wait meanwhile
      held += hold ? 1 : 0;
      hold.wait(true);
      return {};
    }
  };
};

class FlushTurns : public StoreTest {
 protected:
  void SetUp() override {
    close();
    engine::StoreOptions o = options();
    ASSERT_EQ(mkdir(o.directory.c_str(), 0700), 0);
    auto files = wal::open_posix_files(o.directory);
    ASSERT_TRUE(files.ok());
    files_ = std::make_unique<UnsyncedFiles>(std::move(*files));
    o.hooks.files = files_.get();
    open(std::move(o));
  }

  void TearDown() override { close(); }  // before its files go

  /// Three threads call `wait` in each of kRounds rounds, and meet now and then. Who is not woken keeps the others there:
  /// that ends the process.
  template <class Wait>
  static void run_rounds(Wait wait) {
    constexpr int kThreads = 3;
    std::barrier round(kThreads);
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kRounds; ++i) {
          if (i < kInStep || i % kTogether == 0) {
            round.arrive_and_wait();
          }
          begun += t == 0 ? 1 : 0;
          wait(t, i);
        }
        ++ended;
      });
    }
    int seen = 0;
    for (auto since = std::chrono::steady_clock::now(); ended < kThreads;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (begun != seen) {
        seen = begun;
        since = std::chrono::steady_clock::now();
      } else if (std::chrono::steady_clock::now() - since > std::chrono::seconds(60)) {
        ADD_FAILURE() << "somebody waits for ever, since round " << seen;
        std::abort();  // they cannot be joined
      }
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  static constexpr int kRounds = 16'700;  // of three threads in two tests: 100,200
  static constexpr int kInStep = 500;     // the threads meet in each of the first rounds, and then in every fiftieth
  static constexpr int kTogether = 50;
  /// Some rounds write to the log, and are long ones.
  static bool writes(int round) { return round < kInStep || round % 20 == 0; }

  std::unique_ptr<UnsyncedFiles> files_;
};

TEST_F(FlushTurns, WhoeverWaitsForAnEpochIsWokenByTheFlushThatMakesItDurable) {
  const std::vector<engine::RunRef> runs{start("a"), start("b"), start("c")};
  const auto wait = [&](int thread, int round) {
    if (writes(round)) {
      set(runs[static_cast<size_t>(thread)], "n", std::to_string(round));
    }
    const uint64_t epoch = store_->epoch();
    EXPECT_TRUE(store_->wait_durable(epoch, -1).ok());
    EXPECT_GE(store_->durable_epoch(), epoch);
  };
  run_rounds(wait);
}

TEST_F(FlushTurns, BarriersThatMeetEndTogether) {
  const auto run = start("a");
  run_rounds([&](int thread, int round) {
    if (thread == 0 && writes(round)) {
      set(run, "n", std::to_string(round));
    }
    EXPECT_TRUE(store_->barrier().ok());
  });
  EXPECT_EQ(json(run), R"({"n":16680})");
}

// The rounds above meet this only where the machine lets all three run during one sync.
TEST_F(FlushTurns, AllWhoWaitForTheSameFlushAreWokenByItsEnd) {
  const auto run = start("a");
  set(run, "n", "1");
  const uint64_t epoch = store_->epoch();
  UnsyncedFiles::held = 0;
  UnsyncedFiles::hold = true;
  std::thread flushes([&] { EXPECT_TRUE(store_->barrier().ok()); });
  while (UnsyncedFiles::held == 0) {
    std::this_thread::yield();
  }
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  std::vector<std::thread> waits;
  for (int i = 0; i < 3; ++i) {
    waits.emplace_back([&] {
      ++begun;
      EXPECT_TRUE(store_->wait_durable(epoch, -1).ok());  // the flush under way makes it durable: nobody begins another
      ++ended;
    });
  }
  while (begun < 3) {
    std::this_thread::yield();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // they most likely wait by now
  UnsyncedFiles::hold = false;
  UnsyncedFiles::hold.notify_all();
  for (const auto since = std::chrono::steady_clock::now(); ended < 3;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (std::chrono::steady_clock::now() - since > std::chrono::seconds(20)) {
      ADD_FAILURE() << 3 - ended << " of 3 were not woken";
      std::abort();  // they cannot be joined
    }
  }
  flushes.join();
  for (std::thread& wait : waits) {
    wait.join();
  }
}

// To destroy a condition variable waits for those who wait on it, and in the child they do not exist.
TEST_F(FlushTurns, AForkedChildEndsItsStoreWhileThreadsOfTheParentWait) {
  const auto run = start("a");
  set(run, "n", "1");
  UnsyncedFiles::hold = true;
  std::thread flushes([&] { EXPECT_TRUE(store_->barrier().ok()); });
  while (UnsyncedFiles::held == 0) {
    std::this_thread::yield();
  }
  std::atomic<bool> waiting{false};
  std::thread waits([&] {
    waiting = true;
    EXPECT_TRUE(store_->barrier().ok());
  });
  while (!waiting) {
    std::this_thread::yield();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it most likely waits by now
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);  // ends one that hangs
    store_.reset();
    _exit(0);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  UnsyncedFiles::hold = false;
  UnsyncedFiles::hold.notify_all();
  flushes.join();
  waits.join();
}

}  // namespace
}  // namespace cairn::tests
