// Real processes, killed by SIGKILL at random times, again and again on one store. Each worker thread stores the
// sequence of its run that was acknowledged last in a page that this process owns; whatever happens, at least that must
// be there afterwards.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/support/phase_files.h"
#include "tests/support/scale.h"
#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

using engine::Durability;
using engine::Operation;
using engine::OperationType;
using engine::Outcome;

constexpr int kThreads = 4;

enum Phase { kUpdate, kFlush, kCheckpoint, kRotation, kRecovery, kPhases };
constexpr std::array<const char*, kPhases> kPhaseNames = {"update", "flush", "checkpoint", "rotation", "recovery"};

// Shared with the worker; it outlives it.
struct Page {
  std::atomic<uint64_t> acknowledged[kThreads];  // sequence of run t
  std::atomic<uint64_t> pairs;                   // transactions over the two pair runs that returned OK
  std::atomic<uint32_t> updating[kThreads];
  std::atomic<uint32_t> inside[kPhases];  // of the other phases
  std::atomic<uint32_t> linger;
  std::atomic<uint64_t> updates;
  std::atomic<uint32_t> failed;
};

class Inside {
 public:
  explicit Inside(std::atomic<uint32_t>& flag) : flag_(flag) { flag_.store(1, std::memory_order_relaxed); }
  ~Inside() { flag_.store(0, std::memory_order_relaxed); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  std::atomic<uint32_t>& flag_;
};

engine::RunRef start_or_resume(engine::Store& store, const std::string& id) {
  auto run = store.resume(id);
  if (run.code() == Code::kNoSuchRun) {
    engine::StartOptions o;
    o.id = id;
    run = store.start(o);
  }
  return run.ok() ? *run : nullptr;
}

[[noreturn]] void work(const engine::StoreOptions& options, Page& page, uint64_t seed) {
  const auto check = [&page](bool good) {
    if (!good) {
      page.failed.store(1);
      _exit(1);
    }
  };
  std::unique_ptr<engine::Store> store;
  std::unique_ptr<PhaseFiles> files;
  {
    const Inside inside(page.inside[kRecovery]);
    auto posix = wal::open_posix_files(options.directory);
    engine::StoreOptions o = options;
    if (posix.ok()) {
      files = std::make_unique<PhaseFiles>(std::move(*posix), page.inside[kRotation], page.linger);
      o.hooks.files = files.get();
    }
    auto opened = engine::Store::open(o);
    if (!opened.ok()) {
      fprintf(stderr, "open: %s\n", engine::error_detail().message.c_str());
    }
    check(opened.ok());
    store = std::move(*opened);
  }
  auto left = start_or_resume(*store, "pair-left");
  auto right = start_or_resume(*store, "pair-right");
  check(left && right);
  for (int t = 0; t < kThreads; ++t) {
    std::thread([&, t] {
      auto run = start_or_resume(*store, "run" + std::to_string(t));
      check(run != nullptr);
      std::mt19937_64 random(seed * 31 + static_cast<uint64_t>(t));
      for (uint64_t i = 0;; ++i) {
        Status s;
        {
          const Inside inside(page.updating[t]);
          Outcome outcome;
          switch (random() % 64) {
            case 0:
              s = store->apply(*run, {OperationType::kSet, "text", std::string(random() % 600, 'x')}, outcome);
              break;
            case 1:
              s = store->apply(*run, {OperationType::kSet, "list", engine::Array{}}, outcome);
              break;
            case 2:
            case 3:
              s = store->apply(
                  *run, {OperationType::kSet, "key" + std::to_string(random() % 40), static_cast<int64_t>(i)}, outcome);
              break;
            case 4:
              if (t % 2 == 0) {
                s = store->apply(*run, {OperationType::kSet, "safe", static_cast<int64_t>(i)}, outcome,
                                 Durability::kPower);
                break;
              }
              [[fallthrough]];
            default:
              s = set_int(*store, *run, "step", static_cast<int64_t>(i));
          }
        }
        check(s.worked());
        page.acknowledged[t].store(run->version.load());
        page.updates.fetch_add(1, std::memory_order_relaxed);
        if (t == 0 && i % 16 == 0) {
          check(store
                    ->transact({{left.get(), {OperationType::kIncrement, "n", 1}},
                                {right.get(), {OperationType::kIncrement, "n", 1}}})
                    .ok());
          page.pairs.fetch_add(1);
        }
      }
    }).detach();
  }
  while (true) {
    {
      const Inside inside(page.inside[kFlush]);
      check(store->barrier().ok());
    }
    {
      const Inside inside(page.inside[kCheckpoint]);
      check(store->checkpoint().ok());
    }
    check(store->step(0).ok());
  }
}

bool is_inside(const Page& page, int phase) {
  if (phase != kUpdate) {
    return page.inside[phase].load(std::memory_order_relaxed) != 0;
  }
  for (const auto& updating : page.updating) {
    if (updating.load(std::memory_order_relaxed) != 0) {
      return true;
    }
  }
  return false;
}

int64_t number_at(const engine::RunView& view, const std::string& key) {
  const int member = view.record.document.find(key);
  const auto* n = member < 0 ? nullptr : view.record.document.member(member).value.get<int64_t>();
  return n == nullptr ? 0 : *n;
}

TEST(KillRounds, NothingAcknowledgedIsMissingAfterSigkill) {
  const char* wanted = std::getenv("CAIRN_KILL_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 200 / testing::test_scale();
  const uint64_t seed = 20261123;
  TemporaryDirectory directory;
  engine::StoreOptions options;
  options.directory = directory.path() + "/store";
  options.segment_bytes = 256u << 10;
  options.flush_interval_ms = 20;
  ASSERT_EQ(mkdir(options.directory.c_str(), 0700), 0);

  auto* page =
      static_cast<Page*>(mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(page, MAP_FAILED);
  new (page) Page();
  std::mt19937_64 random(seed);
  std::array<int, kPhases> inside{};
  uint64_t tail_read = 0;

  for (int round = 0; round < rounds; ++round) {
    page->linger.store(round % kPhases == kRotation ? 1 : 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      work(options, *page, seed + static_cast<uint64_t>(round));
    }
    // Aim at one phase a round, after a random time; the recovery comes first and is short.
    const int aim = round % kPhases;
    if (aim != kRecovery) {
      usleep(static_cast<useconds_t>(2000 + random() % 30'000));
    }
    const uint64_t skip = random() % 20'000;
    for (uint64_t i = 0; i < 200'000'000; ++i) {
      if (is_inside(*page, aim) && (aim == kRotation || i >= skip)) {
        break;
      }
      if (page->failed.load() != 0) {
        break;
      }
    }
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the worker failed in round " << round;
    for (int phase = 0; phase < kPhases; ++phase) {
      inside[static_cast<size_t>(phase)] += is_inside(*page, phase) ? 1 : 0;
    }
    for (auto& flag : page->updating) {
      flag.store(0);
    }
    for (auto& flag : page->inside) {
      flag.store(0);
    }

    engine::StoreReader::Options reading;
    reading.directory = options.directory;
    auto reader = engine::StoreReader::open(reading);
    if (!reader.ok() && reader.code() == Code::kNotAStore && page->updates.load() == 0) {
      continue;  // killed before the store was born
    }
    ASSERT_TRUE(reader.ok()) << "round " << round << ": " << engine::error_detail().message;
    int64_t left = -1;
    int64_t right = -1;
    std::array<uint64_t, kThreads> survived{};
    const Status read = (*reader)->each([&](const engine::RunView& view) {
      if (view.record.id == "pair-left") {
        left = number_at(view, "n");
      } else if (view.record.id == "pair-right") {
        right = number_at(view, "n");
      } else {
        survived[static_cast<size_t>(view.record.id.back() - '0')] = view.record.sequence;
      }
      return true;
    });
    ASSERT_TRUE(read.ok()) << "round " << round << ": " << engine::error_detail().message;
    engine::Tables::Options tables_options;
    tables_options.directory = options.directory;
    tables_options.read_only = true;
    auto tables = engine::Tables::open(tables_options);
    ASSERT_TRUE(tables.ok()) << tables.status().what;
    const Status verified = (*tables)->verify([round](const engine::TableDamage& d) {
      ADD_FAILURE() << "round " << round << ": " << d.table << " " << d.key << ": " << d.what;
    });
    ASSERT_TRUE(verified.ok()) << verified.what << ": records or indexes in round " << round;
    for (int t = 0; t < kThreads; ++t) {
      const auto index = static_cast<size_t>(t);
      ASSERT_GE(survived[index], page->acknowledged[t].load()) << "run" << t << " in round " << round;
      // A thread acknowledges one update at a time: at most one more may be there, and what a resume adds.
      ASSERT_LE(survived[index], page->acknowledged[t].load() + 2) << "run" << t << " in round " << round;
      page->acknowledged[t].store(survived[index]);  // what was seen once must stay
    }
    if (page->updates.load() > 0) {
      ASSERT_EQ(left, right) << "half a transaction in round " << round;
      ASSERT_GE(static_cast<uint64_t>(std::max<int64_t>(left, 0)), page->pairs.load());
      page->pairs.store(static_cast<uint64_t>(std::max<int64_t>(left, 0)));
    }
    ++tail_read;
  }
  ASSERT_EQ(page->failed.load(), 0U);
  printf("kill: rounds %d, checked %lu, updates %lu, seed %lu; kills inside", rounds,
         static_cast<unsigned long>(tail_read), static_cast<unsigned long>(page->updates.load()),
         static_cast<unsigned long>(seed));
  for (int phase = 0; phase < kPhases; ++phase) {
    printf(" %s %d", kPhaseNames[static_cast<size_t>(phase)], inside[static_cast<size_t>(phase)]);
  }
  printf("\n");
  if (rounds >= 200) {
    for (int phase = 0; phase < kPhases; ++phase) {
      EXPECT_GE(inside[static_cast<size_t>(phase)], 10) << kPhaseNames[static_cast<size_t>(phase)];
    }
  }
  munmap(page, sizeof(Page));
}

}  // namespace
}  // namespace cairn::tests
