// What the calls on one run cost, through the C ABI alone: build/release/hot_calls_bench
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "bench/bench_store.h"

namespace {

using cairn::bench::BenchStore;

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

// A number of the top level in a document of so many bytes.
void SetInDocument(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  BenchStore store(static_cast<uint32_t>(bytes + 64));
  cairn_run* run = store.start();
  std::string metadata = R"({"progress":0)";
  for (int i = 0; metadata.size() + 40 < bytes; ++i) {
    metadata += ",\"key" + std::to_string(i) + R"(":"a text of some bytes")";
  }
  metadata += '}';
  BenchStore::check(cairn_run_replace_json(run, metadata.data(), metadata.size()));
  BenchStore::check(cairn_store_barrier(store.store()));
  double value = 0;
  for (auto _ : state) {
    value += 0.5;
    benchmark::DoNotOptimize(cairn_run_set_double(run, "progress", 8, value));
  }
  cairn_run_close(run);
}
BENCHMARK(SetInDocument)->Arg(256)->Arg(4096)->Arg(65536);

// A msgpack map of 14 keys and 292 bytes, 8 numbers and 6 texts.
std::string object_with(char exponent) {
  std::string out = "\x8e";
  for (int i = 0; i < 14; ++i) {
    out += "\xa7key-1" + std::to_string(10 + i);
    out += i < 8 ? std::string("\xcb") + exponent + "1234567" : std::string("\xb4") + "a text of 20 letters";
  }
  return out;
}

void ReplaceMsgpack(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  const std::array<std::string, 2> objects = {object_with('\x40'), object_with('\x41')};
  size_t i = 0;
  for (auto _ : state) {
    const std::string& object = objects[i++ % 2];
    benchmark::DoNotOptimize(cairn_run_replace_msgpack(run, object.data(), object.size()));
  }
  cairn_run_close(run);
}
BENCHMARK(ReplaceMsgpack);

// The general way: a text of JSON is read, and the whole diff staged.
void ReplaceJson(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  std::string json = R"({"progress":0.5)";
  while (json.size() + 40 < static_cast<size_t>(state.range(0))) {
    json += ",\"key" + std::to_string(json.size()) + R"(":"a text of some bytes")";
  }
  json += '}';
  for (auto _ : state) {
    BenchStore::check(cairn_run_replace_json(run, json.data(), json.size()));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * json.size()));
  cairn_run_close(run);
}
BENCHMARK(ReplaceJson)->Arg(300)->Arg(4096);

void AppendAndRemove(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  for (auto _ : state) {
    BenchStore::check(cairn_run_append_string(run, "list", 4, "item", 4));
    BenchStore::check(cairn_run_remove_string(run, "list", 4, "item", 4));
  }
  cairn_run_close(run);
}
BENCHMARK(AppendAndRemove);

// The whole document of 50 keys, as JSON (0) or msgpack (1).
void Current(benchmark::State& state) {
  BenchStore store;
  cairn_run* run = store.start();
  for (const std::string& key : keys()) {
    BenchStore::check(cairn_run_set_double(run, key.data(), key.size(), 0.5));
  }
  std::array<char, 4096> text;
  size_t bytes = 0;
  for (auto _ : state) {
    BenchStore::check(state.range(0) == 0 ? cairn_run_current_json(run, text.data(), text.size(), &bytes, nullptr)
                                          : cairn_run_current_msgpack(run, text.data(), text.size(), &bytes, nullptr));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
  cairn_run_close(run);
}
BENCHMARK(Current)->Arg(0)->Arg(1);

void StartAndFinish(benchmark::State& state) {
  BenchStore store;
  for (auto _ : state) {
    cairn_run* run = store.start();
    BenchStore::check(cairn_run_finish(run, CAIRN_RUN_COMPLETED));
    BenchStore::check(cairn_run_close(run));
  }
}
BENCHMARK(StartAndFinish)->Unit(benchmark::kMicrosecond);

// A turn of a watch of all runs: nothing changed (0), one run of 1,000 did (1).
void Watch(benchmark::State& state) {
  BenchStore store;
  std::vector<cairn_run*> runs;
  runs.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    runs.push_back(store.start());
  }
  cairn_watch* watch = nullptr;
  BenchStore::check(cairn_watch_open(store.store(), nullptr, nullptr, nullptr, &watch));
  cairn_watch_event event = {};
  event.struct_bytes = sizeof event;
  const auto turn = [&] {
    int64_t events = -1;
    cairn_status status;
    do {
      status = cairn_watch_next(watch, &event, nullptr, nullptr, 0, nullptr);
      BenchStore::check(status);
      ++events;
    } while (status == CAIRN_OK);
    return events;
  };
  turn();
  double value = 0;
  for (auto _ : state) {
    if (state.range(0) == 1) {
      BenchStore::check(cairn_run_set_double(runs[500], "progress", 8, value += 0.5));
    }
    if (turn() != state.range(0)) {
      state.SkipWithError("not the events that were to come");
      break;
    }
  }
  BenchStore::check(cairn_watch_close(watch));
  for (cairn_run* run : runs) {
    cairn_run_close(run);
  }
}
BENCHMARK(Watch)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

}  // namespace
