// Throughput with a durable watermark, threads, recovery, open, and commits against the disk's own rate.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "bench/targets/measures.h"
#include "bench/targets/store.h"
#include "tools/measure/latency.h"

namespace cairn::bench {
namespace {

using cairn::tools::Latencies;
using cairn::tools::tick_ns;
using cairn::tools::ticks;

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

double since(Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); }

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

constexpr const char* kKey = "progress";
constexpr size_t kKeyBytes = 8;

// One thread sets as fast as it can; the store flushes continuously. Every 4,096 sets it asks for the epoch; another
// thread sees how long that takes to be durable.
Json measure_watermark(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  cairn_options options = options_with(CAIRN_OPEN_BACKGROUND);
  options.flush_interval_ms = CAIRN_FLUSH_CONTINUOUSLY;
  cairn_store* store = open_store(directory.store(), options);
  cairn_run* run = start_run(store, 0);
  cairn_cell* cell = nullptr;
  check(cairn_run_bind(run, kKey, kKeyBytes, &cell), "bind");

  // The epoch asked for, and when: written by the setter when the watcher has taken the one before.
  std::atomic<uint64_t> asked{0};
  std::atomic<uint64_t> asked_at{0};
  std::atomic<bool> stop{false};
  Latencies lags;
  std::thread watcher([&] {
    while (!stop) {
      const uint64_t epoch = asked.load(std::memory_order_acquire);
      if (epoch == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
        continue;
      }
      uint64_t durable = 0;
      while (durable < epoch && !stop) {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
        check(cairn_store_durable_epoch(store, &durable), "durable epoch");
      }
      lags.add(ticks() - asked_at.load());
      asked.store(0, std::memory_order_release);
    }
  });
  int64_t n = 0;
  const auto from = Clock::now();
  const auto end = after(scale.seconds);
  while (Clock::now() < end) {
    for (int i = 0; i < 4096; ++i) {
      check(cairn_cell_set_int64(cell, ++n), "set");
    }
    if (asked.load(std::memory_order_acquire) == 0) {
      uint64_t epoch = 0;
      check(cairn_store_epoch(store, &epoch), "epoch");
      asked_at = ticks();
      asked.store(epoch, std::memory_order_release);
    }
  }
  const double passed = since(from);
  stop = true;
  watcher.join();
  cairn_stats stats = {};
  stats.struct_bytes = sizeof stats;
  check(cairn_store_stats(store, &stats), "stats");
  expect_value(run, kKey, kKeyBytes, n);
  check(cairn_cell_close(cell), "close");
  check(cairn_run_close(run), "close");
  check(cairn_store_close(store, -1), "close");
  const auto ms = [&](double share) { return static_cast<double>(lags.percentile(share)) * tick_ns() * 1e-6; };
  const double rate = static_cast<double>(n) / passed;
  return {{"values",
           {{"updates_per_second", rate},
            {"flushes_per_second", static_cast<double>(stats.flushes) / passed},
            {"lag_p50_ms", ms(0.5)},
            {"lag_p99_ms", ms(0.99)},
            {"lag_max_ms", static_cast<double>(lags.max()) * tick_ns() * 1e-6},
            {"lags_measured", lags.total()}}},
          {"target", "15M updates/s, lag p99 < 5 ms"},
          {"met", rate >= 15e6 && ms(0.99) < 5}};
}

// Sets by string key by `threads` threads, each on `own` runs of its own or all on one.
double sets_per_second(const Scale& scale, int threads, bool own) {
  const StoreDirectory directory(scale.directory);
  cairn_store* store = open_store(directory.store(), options_with(CAIRN_OPEN_BACKGROUND));
  std::vector<cairn_run*> runs;
  runs.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < (own ? threads : 1); ++i) {
    runs.push_back(start_run(store, i));
  }
  std::atomic<int64_t> sum{0};
  const double seconds = scale.seconds / 4;
  const auto from = Clock::now();
  const auto end = after(seconds);
  std::vector<std::thread> all;
  all.reserve(static_cast<size_t>(threads));
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      cairn_run* run = runs[static_cast<size_t>(own ? t : 0)];
      int64_t n = 0;
      do {
        for (int i = 0; i < 256; ++i, ++n) {
          check(own ? cairn_run_set_int64(run, kKey, kKeyBytes, n + 1)
                    : cairn_run_increment_int64(run, kKey, kKeyBytes, 1),
                "update");
        }
      } while (Clock::now() < end);
      if (own) {
        expect_value(run, kKey, kKeyBytes, n);
      }
      sum += n;
    });
  }
  for (std::thread& t : all) {
    t.join();
  }
  const double passed = since(from);
  if (!own) {
    expect_value(runs[0], kKey, kKeyBytes, sum);  // none was lost
  }
  for (cairn_run* run : runs) {
    check(cairn_run_close(run), "close");
  }
  check(cairn_store_close(store, -1), "close");
  return static_cast<double>(sum) / passed;
}

Json measure_threads(const Scale& scale) {
  const double one = sets_per_second(scale, 1, true);
  const double four = sets_per_second(scale, 4, true);
  const double one_increments = sets_per_second(scale, 1, false);
  const double four_on_one = sets_per_second(scale, 4, false);
  const unsigned cores = std::thread::hardware_concurrency();
  return {{"values",
           {{"one_thread", one},
            {"four_threads_own_runs", four},
            {"scaling", four / one},
            {"cores", cores},
            {"one_thread_increments", one_increments},
            {"four_threads_one_run_increments", four_on_one}}},
          {"target", "own runs: as the cores allow; one run: correct, no collapse (a quarter of one thread)"},
          {"met", four / one > 0.8 * std::min(4U, cores) && four_on_one > one_increments / 4}};
}

// A child fills the log with diffs of 4 KiB documents and dies before anything is folded into the tables.
Json measure_recovery(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  cairn_options options = options_with(0);
  options.segment_bytes = 64U << 20;
  const pid_t child = fork();
  if (child == 0) {
    cairn_store* store = open_store(directory.store(), options);
    std::vector<cairn_run*> runs;
    runs.reserve(1000);
    for (int i = 0; i < 1000; ++i) {
      runs.push_back(start_run(store, i));
    }
    std::string text(3000, 'x');
    cairn_stats stats = {};
    stats.struct_bytes = sizeof stats;
    for (int64_t n = 1; stats.wal_bytes < scale.log_bytes; ++n) {
      for (cairn_run* run : runs) {
        text[0] = static_cast<char>('a' + n % 26);
        check(cairn_run_set_string(run, "text", 4, text.data(), text.size()), "set");
        check(cairn_run_set_int64(run, kKey, kKeyBytes, n), "set");
      }
      check(cairn_store_barrier(store), "barrier");
      check(cairn_store_stats(store, &stats), "stats");
      if (stats.written_lsn > 0 && n * 3'100'000 >= static_cast<int64_t>(scale.log_bytes) - 3'200'000) {
        break;
      }
    }
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSIGNALED(status)) {
    std::fprintf(stderr, "targets: the writer failed\n");
    _exit(1);
  }
  double best = 1e9;
  uint64_t log_bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.store() + "/wal")) {
    log_bytes += entry.file_size();
  }
  // Opening folds the log, so each repetition has a copy.
  for (int i = 0; i < 3; ++i) {
    const std::string copy = directory.path() + "/copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(directory.store(), copy, std::filesystem::copy_options::recursive);
    sync();
    const auto from = Clock::now();
    cairn_store* store = open_store(copy, options);
    best = std::min(best, since(from));
    cairn_run* run = nullptr;
    check(cairn_run_open(store, "run-999", &run), "open a run");
    int64_t n = 0;
    check(cairn_run_get_int64(run, kKey, kKeyBytes, &n), "get");
    if (n == 0) {
      std::fprintf(stderr, "targets: nothing was recovered\n");
      _exit(1);
    }
    check(cairn_run_close(run), "close");
    check(cairn_store_close(store, -1), "close");
  }
  return {{"values", {{"open_ms", best * 1e3}, {"log_bytes", log_bytes}}},
          {"target", "64 MiB in < 200 ms (pages in memory)"},
          {"met", best < 0.2}};
}

Json measure_open(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  cairn_store* store = open_store(directory.store(), options_with(0));
  for (uint32_t i = 0; i < scale.runs; ++i) {
    cairn_run* run = start_run(store, static_cast<int>(i));
    check(cairn_run_set_int64(run, kKey, kKeyBytes, static_cast<int64_t>(i) + 1), "set");
    check(cairn_run_close(run), "close");
    if (i % 5000 == 4999) {
      check(cairn_store_barrier(store), "barrier");
      check(cairn_store_step(store, 0), "step");
    }
  }
  check(cairn_store_close(store, -1), "close");
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto from = Clock::now();
    store = open_store(directory.store(), options_with(0));
    best = std::min(best, since(from));
    cairn_run* run = nullptr;
    check(cairn_run_open(store, ("run-" + std::to_string(scale.runs - 1)).c_str(), &run), "open a run");
    expect_value(run, kKey, kKeyBytes, scale.runs);
    check(cairn_run_close(run), "close");
    check(cairn_store_close(store, -1), "close");
  }
  return {{"values", {{"open_ms", best * 1e3}, {"runs", scale.runs}}}, {"target", "< 20 ms"}, {"met", best < 0.02}};
}

// The disk alone: 4 KiB at a time into a file that is there already, each followed by fdatasync.
double disk_syncs_per_second(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  const int fd = open((directory.path() + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string block(4096, 'x');
  for (int i = 0; i < 1024; ++i) {
    if (pwrite(fd, block.data(), block.size(), i * 4096) != 4096) {
      _exit(1);
    }
  }
  fsync(fd);
  int64_t n = 0;
  const auto from = Clock::now();
  const auto end = after(scale.seconds / 4);
  while (Clock::now() < end) {
    if (pwrite(fd, block.data(), block.size(), n % 1024 * 4096) != 4096 || fdatasync(fd) != 0) {
      _exit(1);
    }
    ++n;
  }
  const double passed = since(from);
  close(fd);
  return static_cast<double>(n) / passed;
}

Json measure_commits(const Scale& scale) {
  const double disk = disk_syncs_per_second(scale);
  const auto commits = [&](int threads) {
    const StoreDirectory directory(scale.directory);
    cairn_options options = options_with(CAIRN_OPEN_BACKGROUND);
    options.durability = CAIRN_DURABILITY_POWER;
    cairn_store* store = open_store(directory.store(), options);
    std::atomic<int64_t> sum{0};
    const auto from = Clock::now();
    const auto end = after(scale.seconds / 4);
    std::vector<std::thread> all;
    all.reserve(static_cast<size_t>(threads));
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&, t] {
        cairn_run* run = start_run(store, t);
        int64_t n = 0;
        do {
          check(cairn_run_set_int64(run, kKey, kKeyBytes, ++n), "set");
        } while (Clock::now() < end);
        expect_value(run, kKey, kKeyBytes, n);
        check(cairn_run_close(run), "close");
        sum += n;
      });
    }
    for (std::thread& t : all) {
      t.join();
    }
    const double passed = since(from);
    check(cairn_store_close(store, -1), "close");
    return static_cast<double>(sum) / passed;
  };
  const double one = commits(1);
  const double many = commits(64);
  return {{"values",
           {{"disk_syncs_per_second", disk},
            {"one_caller", one},
            {"share_of_the_disk", one / disk},
            {"64_callers", many},
            {"64_callers_to_the_disk", many / disk}}},
          {"target", "to the best peer: see cairn_compare, power-1 and power-64"},
          {"met", nullptr}};
}

}  // namespace

std::vector<Measure> time_measures() {
  return {
      {"watermark", "set at once, flushed continuously: updates and how far the durable epoch lags", measure_watermark},
      {"threads", "four threads on runs of their own, and on one run", measure_threads},
      {"commits", "class power against the disk's own rate", measure_commits},
      {"recovery", "open of a store whose owner was killed with its log unfolded", measure_recovery},
      {"open", "open of a store that was closed, with many runs", measure_open}};
}

}  // namespace cairn::bench
