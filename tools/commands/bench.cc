// What this machine gives Cairn: updates per second of each class, their latencies, the disk's own rate, and how much
// of what is possible that is.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/json/json.h"
#include "engine/store/store.h"
#include "tools/commands/commands.h"
#include "tools/measure/device.h"
#include "tools/measure/latency.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"
#include "wal/mutex.h"
#include "wal/xxh3.h"

namespace cairn::tools {

namespace {

constexpr const char* kBenchNotes =
    R"help(Measures in a store of its own below DIR (default: the current directory) and removes it at the
end. Choose a directory on the disk that your stores will be on, and let nothing else run
meanwhile.
  process   survives kill -9: by a cell, by a string key, and over 1,000 runs in turn
  durable   set() returns at once and the store flushes continuously: the number of updates, and how
            far behind the durable epoch is
  power     survives power loss: one caller, and 64 callers at once that share syncs
  disk      the limit of power: 4 KiB written into an existing file, and fdatasync
  memory    the limit of process: a checksummed record of 48 bytes written into a mapped file, under
            a lock that nobody else wants
A latency includes its two time stamps, whose cost is shown. bench/compare.sh compares Cairn with
other engines.

Examples:
  cairn bench
  cairn bench --dir /mnt/data --seconds 30 --json | jq '.measured["power, 1 caller"]')help";

using Clock = std::chrono::steady_clock;
using engine::Object;
using engine::Value;

constexpr std::string_view kKey = "progress";

struct Row {
  const char* name;
  const char* what;
  double per_second = 0;
  Latencies latencies;
};

[[noreturn]] void give_up(const std::string& what) { throw std::runtime_error("bench: " + what); }

void expect(const Status& status) {
  if (!status.worked()) {
    const engine::ErrorDetail& detail = engine::error_detail();
    give_up(detail.message.empty() ? status.what : detail.message);
  }
}

bool go_on(Clock::time_point end) { return Clock::now() < end && !interrupted(); }

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// First as fast as it goes, then with stamps. `work` does one thing; `between` of them for each look at the clock.
void measure(Row& row, double seconds, int between, const std::function<void()>& work) {
  const auto begin = Clock::now();
  uint64_t done = 0;
  auto end = after(seconds * 0.7);
  do {
    for (int i = 0; i < between; ++i) {
      work();
    }
    done += static_cast<uint64_t>(between);
  } while (go_on(end));
  row.per_second = static_cast<double>(done) / std::chrono::duration<double>(Clock::now() - begin).count();
  end = after(seconds * 0.3);
  do {
    for (int i = 0; i < between; ++i) {
      const uint64_t from = ticks();
      work();
      row.latencies.add(ticks() - from);
    }
  } while (go_on(end));
}

class OwnStore {
 public:
  OwnStore(const Globals& globals, const std::string& directory, uint32_t flush_interval_ms,
           engine::Durability durability) {
    engine::StoreOptions options;
    options.directory = directory;
    options.flush_interval_ms = flush_interval_ms;
    options.durability = durability;
    options.background = true;
    show_notices(options.hooks, globals);
    auto opened = engine::Store::open(std::move(options));
    expect(opened.status());
    store_ = std::move(*opened);
  }
  ~OwnStore() {
    runs_.clear();
    (void)store_->close(0);
  }
  OwnStore(const OwnStore&) = delete;
  OwnStore& operator=(const OwnStore&) = delete;

  engine::Run& start(int number) {
    engine::StartOptions options;
    options.id = "run-" + std::to_string(number);
    auto run = store_->start(options);
    expect(run.status());
    const MutexLock guard(mutex_);
    runs_.push_back(*run);
    return *runs_.back();
  }
  void set(engine::Run& run, int64_t n, engine::CellPlace* place = nullptr) {
    if (!store_->try_set_int(run, kKey, n, place)) {
      engine::Outcome outcome;
      expect(store_->apply(run, {engine::OperationType::kSet, std::string(kKey), Value(n)}, outcome));
    }
  }
  engine::Store& operator*() { return *store_; }

 private:
  std::unique_ptr<engine::Store> store_;
  Mutex mutex_{LockRank::kBenchRuns};
  std::vector<engine::RunRef> runs_ CAIRN_GUARDED_BY(mutex_);
};

struct Results {
  std::vector<Row> rows;
  double lag_p50_ms = 0, lag_p99_ms = 0;
  double device_bytes_per_update = -1;  // of the cell; below 0: not known
};

Row& row_of(Results& results, const char* name) {
  for (Row& row : results.rows) {
    if (std::string_view(row.name) == name) {
      return row;
    }
  }
  give_up(name);
}

void measure_process(const Globals& globals, Results& results, const std::string& directory, double seconds) {
  OwnStore store(globals, directory, 1000, engine::Durability::kProcess);
  std::vector<engine::Run*> runs(1000);
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i] = &store.start(static_cast<int>(i));
  }
  int64_t n = 0;
  engine::CellPlace place;
  const Device device(directory);
  device.settle();
  const uint64_t before = device.bytes_written();
  measure(row_of(results, "process, cell"), seconds, 256, [&] { store.set(*runs[0], ++n, &place); });
  if (device.known()) {
    device.settle();
    results.device_bytes_per_update = static_cast<double>(device.bytes_written() - before) / static_cast<double>(n);
  }
  measure(row_of(results, "process, key"), seconds, 256, [&] { store.set(*runs[0], ++n); });
  size_t next = 0;
  measure(row_of(results, "process, 1,000 runs"), seconds, 256, [&] {
    store.set(*runs[next], ++n);
    next = next + 1 == runs.size() ? 0 : next + 1;
  });
}

void measure_durable(const Globals& globals, Results& results, const std::string& directory, double seconds) {
  OwnStore store(globals, directory, 0, engine::Durability::kProcess);
  engine::Run& run = store.start(0);
  Row& row = row_of(results, "durable, lagging");
  std::atomic<bool> stop{false};
  std::exception_ptr failed;
  Latencies lags;
  std::thread watcher([&] {
    try {
      while (!stop) {
        const uint64_t from = ticks();
        const uint64_t epoch = (*store).epoch();
        while ((*store).durable_epoch() < epoch && !stop) {
          std::this_thread::sleep_for(std::chrono::microseconds(20));
        }
        lags.add(ticks() - from);
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    } catch (...) {
      failed = std::current_exception();
    }
  });
  int64_t n = 0;
  measure(row, seconds, 256, [&] { store.set(run, ++n); });
  stop = true;
  watcher.join();
  if (failed) {
    std::rethrow_exception(failed);
  }
  results.lag_p50_ms = static_cast<double>(lags.percentile(0.5)) * tick_ns() * 1e-6;
  results.lag_p99_ms = static_cast<double>(lags.percentile(0.99)) * tick_ns() * 1e-6;
}

void measure_power(const Globals& globals, Row& row, const std::string& directory, double seconds, int callers) {
  OwnStore store(globals, directory, 1000, engine::Durability::kPower);
  std::vector<Row> own(static_cast<size_t>(callers), row);
  std::vector<std::thread> threads;
  std::atomic<bool> failed{false};
  threads.reserve(own.size());
  for (int t = 0; t < callers; ++t) {
    threads.emplace_back([&, t] {
      try {
        engine::Run& run = store.start(t);
        int64_t n = 0;
        measure(own[static_cast<size_t>(t)], seconds, 1, [&] { store.set(run, ++n); });
      } catch (const std::exception&) {
        failed = true;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  if (failed) {
    give_up("a durable update failed");
  }
  for (const Row& r : own) {
    row.per_second += r.per_second;
    row.latencies.add(r.latencies);
  }
}

// A file that is closed and removed.
struct WorkFile {
  explicit WorkFile(const std::string& name) : path(name) {
    fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const std::string block(64U << 10, '\0');
    for (int i = 0; i < 64 && fd >= 0; ++i) {
      if (pwrite(fd, block.data(), block.size(), static_cast<off_t>(i) * static_cast<off_t>(block.size())) < 0) {
        give_up("cannot write " + path + ": " + std::generic_category().message(errno));
      }
    }
    if (fd < 0 || fsync(fd) != 0) {
      give_up("cannot write " + path + ": " + std::generic_category().message(errno));
    }
  }
  ~WorkFile() {
    close(fd);
    unlink(path.c_str());
  }
  WorkFile(const WorkFile&) = delete;
  WorkFile& operator=(const WorkFile&) = delete;
  std::string path;
  int fd = -1;
};

void measure_disk(Row& row, const std::string& directory, double seconds) {
  const WorkFile file(directory + "/disk");
  const std::string block(4096, 'x');
  off_t at = 0;
  measure(row, seconds, 1, [&] {
    if (pwrite(file.fd, block.data(), block.size(), at) != 4096 || fdatasync(file.fd) != 0) {
      give_up("cannot sync " + file.path + ": " + std::generic_category().message(errno));
    }
    at = (at + 4096) % (4 << 20);
  });
}

void measure_memory(Row& row, const std::string& directory, double seconds) {
  struct Record {
    std::array<uint64_t, 6> fields;
    uint64_t checksum;
    std::atomic<uint64_t> sequence;
  };
  const WorkFile file(directory + "/memory");
  void* mapped = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file.fd, 0);
  if (mapped == MAP_FAILED) {
    give_up("cannot map " + file.path);
  }
  auto* records = static_cast<Record*>(mapped);
  engine::RunLock lock(0);
  uint64_t n = 0;
  measure(row, seconds, 256, [&] {
    lock.lock();
    Record& record = records[++n % 2];
    record.fields[5] = n;
    record.checksum = xxh3(record.fields.data(), sizeof record.fields, n);
    record.sequence.store(n, std::memory_order_release);
    lock.unlock();
  });
  munmap(mapped, 4096);
}

std::string rate_text(double per_second) {
  char text[32];
  if (per_second >= 1e6) {
    std::snprintf(text, sizeof text, "%.1fM/s", per_second / 1e6);
  } else if (per_second >= 1e4) {
    std::snprintf(text, sizeof text, "%.0fk/s", per_second / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.0f/s", per_second);
  }
  return text;
}

std::string time_text(double ns) {
  char text[32];
  if (ns < 1e3) {
    std::snprintf(text, sizeof text, "%.0f ns", ns);
  } else if (ns < 1e6) {
    std::snprintf(text, sizeof text, "%.1f us", ns / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.1f ms", ns / 1e6);
  }
  return text;
}

double ns_of(const Row& row, double share) { return static_cast<double>(row.latencies.percentile(share)) * tick_ns(); }

double share_of(Results& results, const char* part, const char* whole) {
  return row_of(results, part).per_second / row_of(results, whole).per_second;
}

void print_as_json(Results& results, const std::string& directory) {
  Object o;
  o.push_back({"machine", Value(describe_machine(directory))});
  Object rows;
  for (const Row& row : results.rows) {
    Object r;
    r.push_back({"per_second", Value(row.per_second)});
    r.push_back({"p50_ns", Value(ns_of(row, 0.5))});
    r.push_back({"p99_ns", Value(ns_of(row, 0.99))});
    r.push_back({"p999_ns", Value(ns_of(row, 0.999))});
    r.push_back({"max_ns", Value(static_cast<double>(row.latencies.max()) * tick_ns())});
    rows.push_back({row.name, Value(std::move(r))});
  }
  o.push_back({"measured", Value(std::move(rows))});
  o.push_back({"stamp_ns", Value(stamp_ns())});
  o.push_back({"durable_lag_p50_ms", Value(results.lag_p50_ms)});
  o.push_back({"durable_lag_p99_ms", Value(results.lag_p99_ms)});
  o.push_back({"device_bytes_per_update",
               results.device_bytes_per_update < 0 ? Value(nullptr) : Value(results.device_bytes_per_update)});
  o.push_back({"process_share_of_memory", Value(share_of(results, "process, cell", "memory"))});
  o.push_back({"power_share_of_disk", Value(share_of(results, "power, 1 caller", "disk"))});
  print_json(std::move(o));
}

void print_table(Results& results, const std::string& directory) {
  std::printf("%s\n\n%-20s %10s %10s %10s %10s %10s\n", describe_machine(directory).c_str(), "", "rate", "p50", "p99",
              "p99.9", "max");
  for (const Row& row : results.rows) {
    std::printf("%-20s %10s %10s %10s %10s %10s  %s\n", row.name, rate_text(row.per_second).c_str(),
                time_text(ns_of(row, 0.5)).c_str(), time_text(ns_of(row, 0.99)).c_str(),
                time_text(ns_of(row, 0.999)).c_str(),
                time_text(static_cast<double>(row.latencies.max()) * tick_ns()).c_str(), row.what);
  }
  std::printf("\nA stamp costs %.0f ns, part of each latency.\n", stamp_ns());
  std::printf("The durable epoch lags %.2f ms (p50), %.2f ms (p99).\n", results.lag_p50_ms, results.lag_p99_ms);
  if (results.device_bytes_per_update >= 0) {
    std::printf("The device wrote %.4f bytes for each update of class process.\n", results.device_bytes_per_update);
  }
  std::printf("Class process reached %.0f %% of what memory gives, class power with one caller %.0f %% of the disk.\n",
              100 * share_of(results, "process, cell", "memory"), 100 * share_of(results, "power, 1 caller", "disk"));
}

void measure_all(const Globals& globals, Results& results, const std::string& work, double seconds) {
  const auto part = [&](const char* text, const std::function<void()>& run) {
    if (!interrupted()) {
      if (!globals.json) {
        note(globals, text);
      }
      run();
    }
  };
  const double each = seconds / 8;
  part("1 of 5: class process", [&] { measure_process(globals, results, work + "/process", each); });
  part("2 of 5: a durable watermark", [&] { measure_durable(globals, results, work + "/durable", each); });
  part("3 of 5: class power", [&] {
    measure_power(globals, row_of(results, "power, 1 caller"), work + "/power-1", each, 1);
    measure_power(globals, row_of(results, "power, 64 callers"), work + "/power-64", each, 64);
  });
  part("4 of 5: the disk alone", [&] { measure_disk(row_of(results, "disk"), work, each); });
  part("5 of 5: memory alone", [&] { measure_memory(row_of(results, "memory"), work, each / 2); });
}

Exit bench(const Globals& globals, const std::string& directory, uint64_t seconds) {
  std::string work = (directory.empty() ? "." : directory) + "/cairn-bench-XXXXXX";
  if (mkdtemp(work.data()) == nullptr) {
    const int why = errno;
    const std::string text = "cannot make a directory in " + (directory.empty() ? "." : directory) + ": " +
                             std::generic_category().message(why);
    if (why == ENOENT || why == ENOTDIR) {
      return report_usage(globals, text);
    }
    const Code code = why == EROFS ? Code::kReadOnly : why == ENOSPC || why == EDQUOT ? Code::kNoSpace : Code::kIo;
    return report_error(globals, engine::fail(Status(code, "bench", why), text));
  }
  work = std::filesystem::absolute(work).string();
  Results results;
  results.rows = {{"process, cell", "one run and key", 0, {}},      {"process, key", "the same by string", 0, {}},
                  {"process, 1,000 runs", "in turn", 0, {}},        {"durable, lagging", "flushed continuously", 0, {}},
                  {"power, 1 caller", "each update synced", 0, {}}, {"power, 64 callers", "syncs are shared", 0, {}},
                  {"disk", "4 KiB and fdatasync", 0, {}},           {"memory", "a checksummed record", 0, {}}};
  Exit exit = Exit::kDone;
  try {
    measure_all(globals, results, work, static_cast<double>(seconds));
  } catch (const std::runtime_error& error) {
    exit = report_error(globals, engine::fail(Status(Code::kIo, "bench"), error.what()));
  }
  if (exit == Exit::kDone && !interrupted()) {
    globals.json ? print_as_json(results, work) : print_table(results, work);
  }
  std::error_code ignored;
  std::filesystem::remove_all(work, ignored);
  if (interrupted()) {
    die_of_interrupt();
  }
  return exit;
}

}  // namespace

void add_bench(CommandLine& line) {
  struct BenchArguments {
    std::string directory;
    std::optional<uint64_t> seconds;
  };
  auto a = std::make_shared<BenchArguments>();
  line.add("bench", "Measure what this machine gives Cairn, in under a minute", kBenchNotes)
      .option("--dir", "DIR", "Where to measure: a directory on the disk that your stores will be on", a->directory)
      .number("--seconds", "N", "About how long it takes (default 20)", {1, 3600}, a->seconds)
      .run([a](const Globals& globals) { return bench(globals, a->directory, a->seconds.value_or(20)); });
}

}  // namespace cairn::tools
