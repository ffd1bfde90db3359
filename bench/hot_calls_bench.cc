// What the hot calls cost, through the C ABI alone: build/release/hot_calls_bench
// The store lies in /dev/shm by default (CAIRN_BENCH_DIRECTORY changes it): class `process` never waits for the disk.
#include <benchmark/benchmark.h>
#include <cairn/cairn.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace {

class BenchStore {
 public:
  BenchStore() {
    const char* base = getenv("CAIRN_BENCH_DIRECTORY");
    directory_ = std::string(base != nullptr ? base : "/dev/shm") + "/cairn-bench-" + std::to_string(getpid());
    std::filesystem::remove_all(directory_);
    cairn_options options;
    cairn_options_init(&options);
    cairn_hooks hooks = {};
    hooks.struct_bytes = sizeof hooks;
    hooks.context = &clock_ms_;
    hooks.monotonic_ms = [](void* context) { return *static_cast<int64_t*>(context); };
    options.hooks = &hooks;
    check(cairn_store_open(directory_.c_str(), &options, &store_));
  }
  ~BenchStore() {
    check(cairn_store_close(store_, -1));
    std::filesystem::remove_all(directory_);
  }
  BenchStore(const BenchStore&) = delete;
  BenchStore& operator=(const BenchStore&) = delete;

  static void check(cairn_status status) {
    if (CAIRN_FAILED(status)) {
      cairn_error error = {};
      error.struct_bytes = sizeof error;
      cairn_last_error(&error);
      fprintf(stderr, "%s: %s\n", cairn_status_text(status), error.message);
      abort();
    }
  }
  cairn_run* start() {
    cairn_run* run = nullptr;
    check(cairn_run_start(store_, nullptr, &run));
    return run;
  }
  cairn_store* store() { return store_; }
  /// A step that finds a flush due.
  void step() {
    clock_ms_ += 1000;
    check(cairn_store_step(store_, 0));
  }

 private:
  std::string directory_;
  int64_t clock_ms_ = 1'000'000;
  cairn_store* store_ = nullptr;
};

const std::array<std::string, 50>& keys() {
  static const std::array<std::string, 50> names = [] {
    std::array<std::string, 50> made;
    for (size_t i = 0; i < made.size(); ++i) {
      made[i] = "key" + std::to_string(i);
    }
    return made;
  }();
  return names;
}

void SetByCell(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  cairn_cell* cell = nullptr;
  BenchStore::check(cairn_run_bind(run, "progress", 8, &cell));
  BenchStore::check(cairn_cell_set_double(cell, 0));
  double progress = 0;
  for (auto _ : state) {
    progress += 1e-7;
    benchmark::DoNotOptimize(cairn_cell_set_double(cell, progress));
  }
  cairn_cell_close(cell);
  cairn_run_close(run);
}
BENCHMARK(SetByCell);

// Among as many keys as the argument says, one after the other.
void SetByStringKey(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  const auto count = static_cast<size_t>(state.range(0));
  for (size_t i = 0; i < count; ++i) {
    BenchStore::check(cairn_run_set_double(run, keys()[i].data(), keys()[i].size(), 0));
  }
  double value = 0;
  size_t i = 0;
  for (auto _ : state) {
    value += 1e-7;
    benchmark::DoNotOptimize(cairn_run_set_double(run, keys()[i].data(), keys()[i].size(), value));
    i = i + 1 == count ? 0 : i + 1;
  }
  cairn_run_close(run);
}
BENCHMARK(SetByStringKey)->Arg(1)->Arg(2)->Arg(5)->Arg(50);

void SetString(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  std::string text(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    text[0] = text[0] == 'x' ? 'y' : 'x';
    benchmark::DoNotOptimize(cairn_run_set_string(run, "status", 6, text.data(), text.size()));
  }
  cairn_run_close(run);
}
BENCHMARK(SetString)->Arg(16)->Arg(300);

void Increment(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  for (auto _ : state) {
    benchmark::DoNotOptimize(cairn_run_increment_int64(run, "steps", 5, 1));
  }
  cairn_run_close(run);
}
BENCHMARK(Increment);

void Get(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  BenchStore::check(cairn_run_set_double(run, "progress", 8, 0.5));
  double value = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cairn_run_get_double(run, "progress", 8, &value));
  }
  cairn_run_close(run);
}
BENCHMARK(Get);

void TransactionOfTenRuns(benchmark::State& state) {
  BenchStore store;
  std::vector<cairn_run*> runs;
  runs.reserve(10);
  for (int i = 0; i < 10; ++i) {
    runs.push_back(store.start());
  }
  for (auto _ : state) {
    cairn_transaction* transaction = nullptr;
    BenchStore::check(cairn_transaction_begin(store.store(), &transaction));
    for (cairn_run* run : runs) {
      BenchStore::check(cairn_transaction_increment_int64(transaction, run, "n", 1, 1));
    }
    BenchStore::check(cairn_transaction_commit(transaction, CAIRN_DURABILITY_PROCESS));
    cairn_transaction_close(transaction);
  }
  for (cairn_run* run : runs) {
    cairn_run_close(run);
  }
}
BENCHMARK(TransactionOfTenRuns);

// A step that flushes 1,000 dirty runs: seals, appends, one sync.
void StepWithThousandDirtyRuns(benchmark::State& state) {
  BenchStore store;
  std::vector<cairn_run*> runs;
  runs.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    runs.push_back(store.start());
  }
  double value = 0;
  for (auto _ : state) {
    state.PauseTiming();
    value += 1;
    for (cairn_run* run : runs) {
      BenchStore::check(cairn_run_set_double(run, "progress", 8, value));
    }
    state.ResumeTiming();
    store.step();
  }
  for (cairn_run* run : runs) {
    cairn_run_close(run);
  }
}
BENCHMARK(StepWithThousandDirtyRuns)->Unit(benchmark::kMicrosecond);

}  // namespace
