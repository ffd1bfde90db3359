// What concerns the whole store costs, through the C ABI alone: build/release/store_bench
// CAIRN_BENCH_DIRECTORY on a disk shows what syncs cost there; /dev/shm, the default, what Cairn's own work does.
#include <benchmark/benchmark.h>
#include <signal.h>
#include <sys/wait.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_store.h"

namespace {

using cairn::bench::BenchStore;

std::vector<cairn_run*> start_runs(BenchStore& store, int64_t count) {
  std::vector<cairn_run*> runs;
  runs.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    runs.push_back(store.start());
  }
  return runs;
}

void close_runs(const std::vector<cairn_run*>& runs) {
  for (cairn_run* run : runs) {
    cairn_run_close(run);
  }
}

void set_all(const std::vector<cairn_run*>& runs, double value) {
  const std::string text(250, 'x');
  for (cairn_run* run : runs) {
    BenchStore::check(cairn_run_set_double(run, "progress", 8, value));
    BenchStore::check(cairn_run_set_string(run, "text", 4, text.data(), text.size()));
  }
}

// A step that flushes 1,000 dirty runs: seals, appends, one sync.
void StepWithThousandDirtyRuns(benchmark::State& state) {
  BenchStore store;
  const std::vector<cairn_run*> runs = start_runs(store, 1000);
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
  close_runs(runs);
}
BENCHMARK(StepWithThousandDirtyRuns)->Unit(benchmark::kMicrosecond);

// Documents of 300 bytes, folded from the log into the tables.
void Checkpoint(benchmark::State& state) {
  BenchStore store;
  const std::vector<cairn_run*> runs = start_runs(store, state.range(0));
  double value = 0;
  for (auto _ : state) {
    state.PauseTiming();
    set_all(runs, value += 1);
    BenchStore::check(cairn_store_barrier(store.store()));
    state.ResumeTiming();
    BenchStore::check(cairn_store_checkpoint(store.store()));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  close_runs(runs);
}
BENCHMARK(Checkpoint)->Arg(1000)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// Open and close of a store with so many runs.
void Open(benchmark::State& state) {
  BenchStore store;
  for (int64_t i = 0; i < state.range(0); ++i) {
    cairn_run* run = store.start();
    BenchStore::check(cairn_run_set_double(run, "progress", 8, 0.5));
    BenchStore::check(cairn_run_close(run));
    if (i % 5000 == 4999) {
      store.step();
    }
  }
  store.close();
  for (auto _ : state) {
    store.open();
    state.PauseTiming();
    store.close();
    state.ResumeTiming();
  }
  store.open();
}
BENCHMARK(Open)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// Open after a kill with so many MiB of log that no checkpoint had folded.
void Recovery(benchmark::State& state) {
  const auto log_bytes = static_cast<uint64_t>(state.range(0)) << 20;
  for (auto _ : state) {
    state.PauseTiming();
    BenchStore store;
    cairn_options options;
    cairn_options_init(&options);
    options.segment_bytes = 64U << 20;
    const std::string directory = store.directory() + "-killed";
    std::filesystem::remove_all(directory);
    const pid_t child = fork();
    if (child == 0) {
      cairn_store* own = nullptr;
      BenchStore::check(cairn_store_open(directory.c_str(), &options, &own));
      std::vector<cairn_run*> runs(1000);
      for (cairn_run*& run : runs) {
        BenchStore::check(cairn_run_start(own, nullptr, &run));
      }
      std::string text(3000, 'x');
      for (uint64_t written = 0; written + 4'000'000 < log_bytes; written += 1000 * 3040) {
        text[0] = text[0] == 'x' ? 'y' : 'x';
        for (cairn_run* run : runs) {
          BenchStore::check(cairn_run_set_string(run, "text", 4, text.data(), text.size()));
        }
        BenchStore::check(cairn_store_barrier(own));
      }
      raise(SIGKILL);
    }
    waitpid(child, nullptr, 0);
    cairn_store* recovered = nullptr;
    state.ResumeTiming();
    BenchStore::check(cairn_store_open(directory.c_str(), &options, &recovered));
    state.PauseTiming();
    BenchStore::check(cairn_store_close(recovered, -1));
    std::filesystem::remove_all(directory);
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * log_bytes));
}
BENCHMARK(Recovery)->Arg(8)->Arg(64)->Unit(benchmark::kMillisecond);

// Each update durable against power loss, by so many threads. Means little in /dev/shm, where a sync costs nothing.
void SetPower(benchmark::State& state) {
  static std::unique_ptr<BenchStore> store;
  if (state.thread_index() == 0) {
    store = std::make_unique<BenchStore>(0, CAIRN_DURABILITY_POWER);
  }
  cairn_run* run = nullptr;
  double value = 0;
  for (auto _ : state) {
    if (run == nullptr) {
      run = store->start();  // all threads are there only now
    }
    BenchStore::check(cairn_run_set_double(run, "progress", 8, value += 0.5));
  }
  state.SetItemsProcessed(state.iterations());
  cairn_run_close(run);
  if (state.thread_index() == 0) {
    store.reset();
  }
}
BENCHMARK(SetPower)->Threads(1)->Threads(64)->UseRealTime();

}  // namespace
