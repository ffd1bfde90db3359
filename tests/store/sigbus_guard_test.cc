// Staging files that fail under their mapping: truncated, as a failing disk looks to the process.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

int g_signals = 0;
void count_signal(int) { ++g_signals; }
void* g_page = nullptr;
void map_page(int, siginfo_t* info, void*) {
  ++g_signals;
  g_page = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(info->si_addr) & ~uintptr_t{4095});
  (void)mmap(g_page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

class SigbusGuarded : public StoreTest {
 protected:
  void SetUp() override {
    sigaction(SIGBUS, nullptr, &before_);
    g_signals = 0;
  }
  void TearDown() override {
    store_.reset();
    sigaction(SIGBUS, &before_, nullptr);
  }
  engine::StoreOptions guarded() {
    auto o = options();
    o.guard_sigbus = true;
    return o;
  }
  void truncate_staging() { ASSERT_EQ(truncate((directory_.path() + "/store/staging/00").c_str(), 0), 0); }
  /// A page behind the end of its file: touching it is a SIGBUS.
  static volatile char* bad_page() {
    FILE* file = tmpfile();
    void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    fclose(file);
    return static_cast<volatile char*>(at);
  }
  static void install(void (*handler)(int)) {
    struct sigaction a = {};
    a.sa_handler = handler;
    sigaction(SIGBUS, &a, nullptr);
  }
  /// The signal that ends a child which does `what`; 0: none.
  template <class What>
  static int signal_of(What&& what) {
    const pid_t child = fork();
    if (child == 0) {
      what();
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

  struct sigaction before_ = {};
};

TEST_F(SigbusGuarded, ATruncatedStagingFileLosesNothingOfALivingProcess) {
  open(guarded());
  std::vector<engine::RunRef> runs;
  for (int i = 0; i < 20; ++i) {
    runs.push_back(start("r" + std::to_string(i)));
    set(runs.back(), "n", "1");
    set(runs.back(), "text", "\"before\"");
  }
  truncate_staging();
  for (int n = 2; n <= 5; ++n) {
    for (const auto& run : runs) {
      ASSERT_TRUE(set_int(*store_, *run, "n", n).ok()) << engine::error_detail().message;
    }
  }
  EXPECT_TRUE(store_->stats().staging_failed);
  EXPECT_FALSE(store_->stats().staging_on);
  EXPECT_EQ(store_->stats().runs_dirty, 0U) << "all that was pending is in the log";
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(read("r" + std::to_string(i)), R"({"n":5,"text":"before"})") << "also for another process";
  }
  runs.clear();
  reopen();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(json("r" + std::to_string(i)), R"({"n":5,"text":"before"})");
  }
  EXPECT_TRUE(store_->stats().staging_on);
}

TEST_F(SigbusGuarded, AfterTheFaultWasSeenAKillLosesNothing) {
  const pid_t child = fork();
  if (child == 0) {
    open(guarded());
    auto run = start("r");
    auto other = start("other");
    set(other, "n", "7");
    set(run, "n", "1");
    truncate_staging();
    for (int i = 2; i <= 100; ++i) {
      if (!set_int(*store_, *run, "n", i).ok()) {
        _exit(1);
      }
    }
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  open();
  EXPECT_EQ(json("r"), R"({"n":100})");
  EXPECT_EQ(json("other"), R"({"n":7})");
}

TEST_F(SigbusGuarded, AFlushThatMeetsTheFaultWritesWhatIsInMemory) {
  open(guarded());
  auto run = start("r");
  set(run, "n", "1");
  set(run, "list", "[1,2,3]");
  truncate_staging();
  ASSERT_TRUE(store_->barrier().ok());
  EXPECT_EQ(read("r"), R"({"n":1,"list":[1,2,3]})");
  EXPECT_EQ(set(run, "n", "2"), Code::kOk);
  EXPECT_EQ(read("r"), R"({"n":2,"list":[1,2,3]})");
  EXPECT_TRUE(store_->stats().staging_failed);
}

TEST_F(SigbusGuarded, StartFinishEraseAndTransactionsGoOn) {
  open(guarded());
  auto a = start("a");
  auto b = start("b");
  set(a, "n", "1");
  set(b, "n", "1");
  truncate_staging();
  set(a, "n", "2");
  auto c = start("c");
  EXPECT_TRUE(store_
                  ->transact({{a.get(), {engine::OperationType::kIncrement, "n", 1}},
                              {b.get(), {engine::OperationType::kIncrement, "n", 1}},
                              {c.get(), {engine::OperationType::kSet, "n", 9}}})
                  .ok());
  EXPECT_TRUE(store_->transact({{c.get(), {engine::OperationType::kIncrement, "n", 1}}}).ok());
  EXPECT_TRUE(store_->finish(*b, engine::RunStatus::kCompleted).ok());
  EXPECT_TRUE(store_->erase("a").ok());
  EXPECT_TRUE(store_->step(0).ok());
  EXPECT_TRUE(store_->checkpoint().ok());
  a.reset();
  b.reset();
  c.reset();
  reopen();
  EXPECT_EQ(store_->find("a").code(), Code::kNoSuchRun);
  EXPECT_EQ(json("b"), R"({"n":2})");
  EXPECT_EQ(json("c"), R"({"n":10})");
}

TEST_F(SigbusGuarded, ManyThreadsMeetTheFaultAtOnce) {
  auto o = guarded();
  o.background = true;
  o.flush_interval_ms = 1;
  open(o);
  std::vector<engine::RunRef> runs;
  for (int t = 0; t < 4; ++t) {
    runs.push_back(start("r" + std::to_string(t)));
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; i <= 5000; ++i) {
        ASSERT_TRUE(set_int(*store_, *runs[static_cast<size_t>(t)], "n", i).ok());
        if (t == 0 && i == 500) {
          truncate_staging();
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(store_->stats().staging_failed);
  runs.clear();
  reopen();
  for (int t = 0; t < 4; ++t) {
    EXPECT_EQ(json("r" + std::to_string(t)), R"({"n":5000})");
  }
}

TEST_F(SigbusGuarded, WithoutTheGuardTheProcessEnds) {
  EXPECT_EQ(signal_of([&] {
              signal(SIGBUS, SIG_DFL);
              open();
              auto run = start("r");
              set(run, "n", "1");
              truncate_staging();
              set(run, "n", "2");
            }),
            SIGBUS);
}

TEST_F(SigbusGuarded, ASigbusElsewhereIsTheHostsOwn) {
  EXPECT_EQ(signal_of([&] {
              signal(SIGBUS, SIG_DFL);
              open(guarded());
              *bad_page() = 1;
            }),
            SIGBUS)
      << "the default action";
  EXPECT_EQ(signal_of([&] {
              signal(SIGBUS, SIG_DFL);
              open(guarded());
              raise(SIGBUS);
            }),
            SIGBUS)
      << "also one that was sent";
  EXPECT_EQ(signal_of([&] {
              signal(SIGBUS, SIG_IGN);
              open(guarded());
              raise(SIGBUS);
            }),
            0)
      << "one that the host ignores";
  struct sigaction host = {};
  host.sa_sigaction = map_page;
  host.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &host, nullptr);
  open(guarded());
  volatile char* page = bad_page();
  *page = 1;
  EXPECT_EQ(g_signals, 1);
  EXPECT_EQ(g_page, page);
  auto run = start("r");
  set(run, "n", "1");
  truncate_staging();
  EXPECT_EQ(set(run, "n", "2"), Code::kOk);
  EXPECT_EQ(g_signals, 1) << "a fault in staging is not the host's";
  EXPECT_TRUE(store_->stats().staging_failed);
}

TEST_F(SigbusGuarded, TheHandlerBeforeIsPutBackByTheLastStore) {
  install(count_signal);
  open(guarded());
  auto o = guarded();
  o.directory = directory_.path() + "/other";
  auto other = engine::Store::open(o);
  ASSERT_TRUE(other.ok());
  raise(SIGBUS);
  EXPECT_EQ(g_signals, 1);
  store_.reset();
  struct sigaction now = {};
  sigaction(SIGBUS, nullptr, &now);
  EXPECT_NE(now.sa_handler, count_signal);
  other->reset();
  sigaction(SIGBUS, nullptr, &now);
  EXPECT_EQ(now.sa_handler, count_signal);
}

TEST_F(SigbusGuarded, AHandlerThatCameLaterIsLeftAlone) {
  open(guarded());
  install(count_signal);
  store_.reset();
  struct sigaction now = {};
  sigaction(SIGBUS, nullptr, &now);
  EXPECT_EQ(now.sa_handler, count_signal);
}

}  // namespace
}  // namespace cairn::tests
