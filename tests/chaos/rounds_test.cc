// Sender and receiver as real processes that talk through the proxy, killed by SIGKILL again and again at random
// instants: nothing is lost, nothing is there twice. CAIRN_CHAOS_ROUNDS=200 is the long form, CAIRN_CHAOS_SEED draws
// other histories.
#include "tests/chaos/chaos_fixture.h"

namespace cairn::tests {
namespace {

class Rounds : public ChaosTest {
 protected:
  void TearDown() override {
    kill_worker();
    ChaosTest::TearDown();
  }
  void start_parents() {
    engine::StoreOptions o;
    o.directory = up();
    auto opened = engine::Store::open(o);
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    for (uint32_t i = 0; i < kParents; ++i) {
      engine::StartOptions start;
      start.id = parent_id(i);
      ASSERT_TRUE((*opened)->start(start).ok()) << engine::error_detail().message;
    }
    ASSERT_TRUE((*opened)->close(-1).ok());
  }
  void start_worker() {
    std::array<std::string, 5> arguments = {CAIRN_CHAOS_WORKER, store(), path("oracle"), proxy_.url(),
                                            std::to_string(seed())};
    std::array<char*, 6> argv{};
    for (size_t i = 0; i < arguments.size(); ++i) {
      argv.at(i) = arguments.at(i).data();
    }
    ASSERT_EQ(posix_spawn(&worker_, CAIRN_CHAOS_WORKER, nullptr, nullptr, argv.data(), environ), 0);
  }
  void kill_worker() {
    if (worker_ <= 0) {
      return;
    }
    ::kill(worker_, SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(worker_, &status, 0), worker_);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the worker ended by itself: " << oracle_->what;
    worker_ = -1;
  }
  /// Waits for an instant at which an operation is open, but not for long.
  void aim() {
    for (int i = 0; i < 3'000'000; ++i) {
      Oracle::OfThread& of = oracle_->threads.at(static_cast<size_t>(i) % kOracleThreads);
      const uint32_t count = of.count;
      if (count > 0 && of.entries.at(count - 1).fate == Fate::kOpen) {
        return;
      }
    }
  }
  void stop_worker() {
    oracle_->stop = 1;
    int status = 0;
    EXPECT_EQ(waitpid(worker_, &status, 0), worker_);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << oracle_->what;
    worker_ = -1;
    oracle_->stop = 0;
  }
  void catch_up() {
    if (!std::filesystem::exists(store() + "/STORE")) {
      ASSERT_EQ(oracle_->threads[0].count, 0u);  // killed before the store was born
      return;
    }
    const std::vector<std::string> wrong = expected_.catch_up(runs_of(store()));
    ASSERT_TRUE(wrong.empty()) << wrong.size() << " runs of the worker, the first: " << wrong.front();
  }

  Oracle* oracle_ = Oracle::map(path("oracle"));
  Expected expected_{*oracle_};
  pid_t worker_ = -1;
};

TEST_F(Rounds, NothingIsLostAndNothingDoubledWhateverIsKilled) {
  const char* wanted = std::getenv("CAIRN_CHAOS_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 3;
  testing::SeededRandom random(seed());
  std::map<std::string, int> kills;
  start_parents();
  start_server();
  proxy_.set_drawing(true);
  for (int round = 0; round < rounds && !HasFatalFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round) + ", seed " + std::to_string(seed()));
    if (worker_ < 0) {
      start_worker();
    }
    if (server_ < 0) {
      start_server();
    }
    const bool idle = random.one_in(6);
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + random.below(random.one_in(5) ? 40'000 : 300'000)));
    if (idle) {
      oracle_->pause = 1;
      std::this_thread::sleep_for(std::chrono::milliseconds(random.below(300)));
    }
    if (!idle && random.coin()) {
      aim();
    }
    const std::string when = idle ? " idle" : "";
    const uint64_t drawn = random.below(10);
    if (drawn < 3) {
      kill_worker();
      ++kills["worker" + when];
    } else if (drawn < 6) {
      kill_server(SIGKILL);
      ++kills["server" + when];
      if (random.coin()) {  // it is away for a while
        std::this_thread::sleep_for(std::chrono::milliseconds(random.below(200)));
      }
    } else if (drawn < 9) {
      if (random.coin()) {
        kill_worker();
        kill_server(SIGKILL);
      } else {
        kill_server(SIGKILL);
        std::this_thread::sleep_for(std::chrono::milliseconds(random.below(30)));
        kill_worker();
      }
      ++kills["both" + when];
    } else if (random.coin()) {
      stop_worker();
      ++kills["worker, ended cleanly"];
    } else {
      kill_server(SIGTERM);
      ++kills["server, ended cleanly"];
    }
    oracle_->pause = 0;
    if (worker_ < 0) {
      catch_up();
    }
    ASSERT_EQ(oracle_->wrong, 0u) << oracle_->what;
  }
  // Quiet: everything drains.
  proxy_.set_drawing(false);
  if (worker_ > 0) {
    kill_worker();
  }
  catch_up();
  if (server_ < 0) {
    start_server();
  }
  const Ran drained = sync();
  EXPECT_EQ(drained.exit, 0) << drained.out << drained.err;
  kill_server(SIGTERM);
  EXPECT_EQ(bare({"--store", up(), "verify"}).exit, 0);
  const Ran verified = cairn({"verify"});
  EXPECT_EQ(verified.exit, 0) << verified.out << verified.err;
  const StoredRuns own = runs_of(store());
  const StoredRuns upstream = runs_of(up());
  const std::vector<std::string> changed = expected_.catch_up(own);
  EXPECT_TRUE(changed.empty()) << changed.front();
  expect_alike(own, upstream);
  const std::vector<std::string> parents = expected_.compare_parents(upstream);
  EXPECT_TRUE(parents.empty()) << parents.size() << ", the first: " << parents.front();
  EXPECT_EQ(answers_.gaps, 0u);
  EXPECT_EQ(answers_.forks, 0u);
  if (rounds >= 25) {  // by then an answer was lost
    EXPECT_GT(answers_.known, 0u);
  }

  std::printf("chaos: rounds %d, seed %lu; kills:", rounds, static_cast<unsigned long>(seed()));
  for (const auto& [what, count] : kills) {
    std::printf(" %s %d;", what.c_str(), count);
  }
  std::printf("\n  proxy: %s\n", proxy_.report().c_str());
  std::printf(
      "  receiver: batches taken %lu, duplicates known %lu, older ones refused %lu; sender: messages %u, failed %u\n",
      answers_.taken.load(), answers_.known.load(), answers_.rewinds.load(), oracle_->messages.load(),
      oracle_->failures.load());
  std::printf(
      "  operations %lu, of them at a parent upstream %lu; runs at the end %zu; open at a kill: done %lu, not done "
      "%lu\n",
      expected_.operations(), expected_.told(), expected_.runs(), expected_.open_took(), expected_.open_took_not());
  if (!HasFailure()) {
    std::printf("  lost 0, doubled 0\n");
  }
}

}  // namespace
}  // namespace cairn::tests
