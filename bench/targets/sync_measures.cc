// A store and its upstream: bytes on the wire, runs into `cairn serve`, many workers, a drain after weeks offline.
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <random>

#include "api/upstream/http_exchange.h"
#include "bench/client/serve_process.h"
#include "bench/targets/measures.h"
#include "bench/targets/store.h"

namespace cairn::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double cpu_of_this() {
  rusage used = {};
  getrusage(RUSAGE_SELF, &used);
  return cpu_of(used);
}

uint64_t peak_rss_bytes() {
  rusage used = {};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<uint64_t>(used.ru_maxrss) * 1024;
}

/// A store's way to its upstream.
struct Way {
  cairn_store* store = nullptr;
  std::unique_ptr<upstream::HttpExchange> exchange;
  uint64_t messages = 0, message_bytes = 0, wire_bytes = 0;

  Way(cairn_store* s, const std::string& url, uint32_t batch_runs, uint32_t batch_bytes) : store(s) {
    cairn_sync_options options = {};
    options.struct_bytes = sizeof options;
    options.batch_runs_max = batch_runs;
    options.batch_bytes_max = batch_bytes;
    check(cairn_sync_attach(store, "bench", &options), "attach");
    http_client::Options http;
    http.url = url;
    auto opened = upstream::HttpExchange::open(std::move(http));
    if (!opened.ok()) {
      std::fprintf(stderr, "targets: %s\n", opened.status().what);
      _exit(1);
    }
    exchange = std::move(*opened);
  }

  [[nodiscard]] bool done() const {
    cairn_sync_state state = {};
    state.struct_bytes = sizeof state;
    check(cairn_sync_get_state(store, nullptr, &state), "state");
    return (state.flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED) != 0;
  }
  /// Starts the next message, if there is one.
  bool send() {
    std::string message;
    const auto take = [](void* context, const void* bytes, size_t count) {
      static_cast<std::string*>(context)->assign(static_cast<const char*>(bytes), count);
    };
    check(cairn_sync_control(store, CAIRN_SYNC_HURRY), "hurry");
    check(cairn_sync_next(store, take, &message, nullptr), "next");
    if (message.empty()) {
      return false;
    }
    ++messages;
    message_bytes += message.size();
    if (!exchange->send(message).ok()) {
      std::fprintf(stderr, "targets: cannot send\n");
      _exit(1);
    }
    return true;
  }
  /// True: there was an answer.
  bool poll(int64_t wait_ms) {
    const auto outcome = exchange->poll(wait_ms);
    if (!outcome) {
      return false;
    }
    if (!outcome->answered()) {
      std::fprintf(stderr, "targets: no answer: %s\n", outcome->text.c_str());
      _exit(1);
    }
    wire_bytes += outcome->bytes_sent;
    check(cairn_sync_feed(store, outcome->answer.data(), outcome->answer.size()), "feed");
    return true;
  }
  void drain() {
    check(cairn_store_barrier(store), "barrier");
    while (!done()) {
      if (send()) {
        while (!poll(1000)) {
        }
      }
    }
  }
};

/// Each run goes its own way, so that compression finds no more alike than in life.
void update(cairn_run* run, int64_t step) {
  static std::mt19937_64 random(1);
  check(cairn_run_set_double(run, "progress", 8, static_cast<double>(random() % 10'000) / 10'000), "set");
  check(cairn_run_set_int64(run, "step", 4, step * 100 + static_cast<int64_t>(random() % 100)), "set");
  check(cairn_run_increment_int64(run, "records", 7, static_cast<int64_t>(random() % 1000)), "increment");
}

std::vector<cairn_run*> start_runs(cairn_store* store, uint32_t count) {
  std::vector<cairn_run*> runs;
  runs.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    runs.push_back(start_run(store, static_cast<int>(i)));
    update(runs.back(), 0);
  }
  return runs;
}

void close_all(cairn_store* store, std::vector<cairn_run*>& runs) {
  for (cairn_run* run : runs) {
    check(cairn_run_close(run), "close");
  }
  runs.clear();
  check(cairn_store_close(store, 60'000), "close");
}

Json wire(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  ServeProcess serve(directory.path() + "/upstream");
  cairn_store* store = open_store(directory.store(), options_with(0));
  std::vector<cairn_run*> runs = start_runs(store, 1000);
  Way way(store, serve.url(), 1000, 1U << 20);
  way.drain();
  const uint64_t first = way.wire_bytes;
  const uint64_t first_bytes = way.message_bytes;
  for (int64_t step = 1; step <= 100; ++step) {
    for (cairn_run* run : runs) {
      update(run, step);
    }
  }
  way.drain();
  const double again = static_cast<double>(way.wire_bytes - first) / 1000;
  const Json values = {{"first_message_bytes_per_run", static_cast<double>(first_bytes) / 1000},
                       {"first_wire_bytes_per_run", static_cast<double>(first) / 1000},
                       {"message_bytes_per_run", static_cast<double>(way.message_bytes - first_bytes) / 1000},
                       {"wire_bytes_per_run", again}};
  close_all(store, runs);
  return {{"values", values}, {"target", "fewer than 60 bytes on the wire per run"}, {"met", again < 60}};
}

Json into_serve(const Scale& scale) {
  Json values;
  for (const uint32_t batch : {1U, 100U, 1000U, 10'000U}) {
    const StoreDirectory directory(scale.directory);
    ServeProcess serve(directory.path() + "/upstream");
    cairn_store* store = open_store(directory.store(), options_with(0));
    const uint32_t count = std::min(batch == 1 ? 2000U : batch == 100 ? 20'000U : 50'000U, scale.runs);
    std::vector<cairn_run*> runs = start_runs(store, count);
    Way way(store, serve.url(), 10'000, 1U << 20);
    way.drain();
    for (cairn_run* run : runs) {
      update(run, 1);
    }
    check(cairn_store_checkpoint(store), "checkpoint");
    Way timed(store, serve.url(), batch, 1U << 20);
    const double cpu = cpu_of_this();
    const auto begin = Clock::now();
    timed.drain();
    const double seconds = since(begin);
    const double sender = cpu_of_this() - cpu;
    close_all(store, runs);
    const std::string name = "batch_" + std::to_string(batch) + "_";
    values[name + "runs_per_s"] = count / seconds;
    values[name + "sender_cpu_us_per_run"] = sender / count * 1e6;
    values[name + "messages"] = timed.messages;
  }
  return {{"values", values}, {"target", "reported"}, {"met", nullptr}};
}

Json workers(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  ServeProcess serve(directory.path() + "/upstream");
  constexpr int kWorkers = 200;
  const uint32_t runs_each = scale.runs >= 100'000 ? 50 : 5;
  std::vector<std::unique_ptr<Way>> ways;
  std::vector<std::vector<cairn_run*>> runs(kWorkers);
  for (int w = 0; w < kWorkers; ++w) {
    cairn_store* store = open_store(directory.path() + "/worker-" + std::to_string(w), options_with(0));
    for (uint32_t r = 0; r < runs_each; ++r) {
      runs[static_cast<size_t>(w)].push_back(start_run(store, w * 1000 + static_cast<int>(r)));
    }
    ways.push_back(std::make_unique<Way>(store, serve.url(), 1000, 1U << 20));
  }
  std::vector<Clock::time_point> sent(kWorkers);
  std::vector<double> latencies;
  uint64_t answered = 0;
  const auto begin = Clock::now();
  while (since(begin) < scale.seconds) {
    for (size_t w = 0; w < kWorkers; ++w) {
      Way& way = *ways[w];
      if (way.exchange->busy()) {
        if (way.poll(0)) {
          latencies.push_back(since(sent[w]));
          answered += runs_each;
        }
        continue;
      }
      for (cairn_run* run : runs[w]) {
        update(run, static_cast<int64_t>(way.messages));
      }
      check(cairn_store_barrier(way.store), "barrier");
      sent[w] = Clock::now();
      (void)way.send();
    }
  }
  const double seconds = since(begin);
  for (size_t w = 0; w < kWorkers; ++w) {
    while (ways[w]->exchange->busy() && !ways[w]->poll(1000)) {
    }
    close_all(ways[w]->store, runs[w]);
  }
  const double cpu = serve.end();
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double share) {
    return latencies.empty() ? 0.0
                             : latencies[static_cast<size_t>(share * static_cast<double>(latencies.size() - 1))] * 1e3;
  };
  return {{"values",
           {{"workers", kWorkers},
            {"runs_per_batch", runs_each},
            {"runs_per_s", static_cast<double>(answered) / seconds},
            {"batches_per_s", static_cast<double>(latencies.size()) / seconds},
            {"p50_ms", at(0.5)},
            {"p99_ms", at(0.99)},
            {"serve_cpu_us_per_run", cpu / static_cast<double>(std::max<uint64_t>(answered, 1)) * 1e6},
            {"serve_peak_rss_bytes", serve.peak_rss()}}},
          {"target", "reported"},
          {"met", nullptr}};
}

uint64_t bytes_below(const std::string& directory) {
  uint64_t sum = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    sum += entry.is_regular_file() ? entry.file_size() : 0;
  }
  return sum;
}

Json drain(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  ServeProcess serve(directory.path() + "/upstream");
  cairn_store* store = open_store(directory.store(), options_with(CAIRN_OPEN_BACKGROUND));
  std::vector<cairn_run*> runs = start_runs(store, scale.runs);
  {
    Way way(store, serve.url(), 10'000, 1U << 20);
    way.drain();
  }
  const auto offline = Clock::now();
  for (cairn_run* run : runs) {
    for (int64_t step = 1; step <= 333; ++step) {
      update(run, step);
    }
    check(cairn_run_set_int64(run, "step", 4, 1000), "set");
  }
  const double offline_s = since(offline);
  close_all(store, runs);
  const uint64_t disk = bytes_below(directory.store());
  const auto opening = Clock::now();
  store = open_store(directory.store(), options_with(CAIRN_OPEN_BACKGROUND));
  const double open_s = since(opening);
  const uint64_t before = peak_rss_bytes();
  const double cpu = cpu_of_this();
  const auto begin = Clock::now();
  Way way(store, serve.url(), 1000, 256U << 10);
  way.drain();
  const double seconds = since(begin);
  const double sender = cpu_of_this() - cpu;
  const uint64_t after = peak_rss_bytes();
  check(cairn_store_close(store, 60'000), "close");
  const double serve_cpu = serve.end();
  return {{"values",
           {{"runs", scale.runs},
            {"offline_updates", static_cast<uint64_t>(scale.runs) * 1000},
            {"offline_s", offline_s},
            {"store_bytes", disk},
            {"open_with_backlog_s", open_s},
            {"drain_s", seconds},
            {"messages", way.messages},
            {"wire_bytes_per_run", static_cast<double>(way.wire_bytes) / scale.runs},
            {"sender_cpu_us_per_run", sender / scale.runs * 1e6},
            {"serve_cpu_us_per_run_both_syncs", serve_cpu / scale.runs * 1e6},
            {"peak_rss_growth_bytes", after - before},
            {"serve_peak_rss_bytes", serve.peak_rss()}}},
          {"target", "drained in less than 60 s"},
          {"met", seconds < 60}};
}

}  // namespace

std::vector<Measure> sync_measures() {
  return {
      {"sync-wire", "1,000 runs with 100 updates of 3 keys each, one message to `cairn serve` over HTTP", wire},
      {"sync-serve", "changed runs into `cairn serve`, by the size of the batches; sender and receiver on this machine",
       into_serve},
      {"sync-workers", "200 stores send to one `cairn serve` at once", workers},
      {"sync-drain", "100,000 runs with 1,000 updates each while offline, then the upstream is there", drain},
  };
}

}  // namespace cairn::bench
