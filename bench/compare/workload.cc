#include "bench/compare/workload.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tools/measure/device.h"
#include "tools/measure/latency.h"

namespace cairn::bench {
namespace {

using cairn::tools::Device;
using cairn::tools::Latencies;
using cairn::tools::stamp_ns;
using cairn::tools::tick_ns;
using cairn::tools::ticks;

using Clock = std::chrono::steady_clock;

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; }

// Of this process and of the children that it has waited for: a server of its own is one.
double cpu_seconds() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used = {};
    getrusage(who, &used);
    sum += seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
  }
  return sum;
}

// One thread, which updates runs of its own, in turn: the runs first, first + 1, ... first + count - 1.
struct Worker {
  Worker(const Workload& w, Session& s, int from, int runs)
      : workload(w), session(s), first(from), count(runs), numbers(static_cast<size_t>(runs), 0) {}

  const Workload& workload;
  Session& session;
  int first;
  int count;
  std::vector<uint64_t> numbers;  // of each run's last update
  uint64_t base = 0;              // of the batches
  int next = 0;
  uint64_t calls = 0;
  uint64_t updates = 0;
  Latencies latencies;

  void call() {
    ++calls;
    if (workload.reads_percent > 0 && calls % 100 < static_cast<uint64_t>(workload.reads_percent)) {
      (void)session.read(first + next);
      return;
    }
    if (workload.batch == 1) {
      session.update(first + next, ++numbers[static_cast<size_t>(next)]);
      next = next + 1 == count ? 0 : next + 1;
      ++updates;
      return;
    }
    // All runs of a batch get numbers that grow, so the last one of each is the largest.
    session.update_batch(first + next, ++base, workload.batch);
    for (int i = 0; i < workload.batch; ++i) {
      numbers[static_cast<size_t>((next + i) % count)] = base + static_cast<uint64_t>(i);
    }
    base += static_cast<uint64_t>(workload.batch);
    next = (next + workload.batch) % count;
    updates += static_cast<uint64_t>(workload.batch);
  }
  // Looks at the clock rarely: it costs as much as an update.
  void run_until(Clock::time_point end) {
    const int between = workload.survives == Survives::kPower ? 1 : 64;
    do {
      for (int i = 0; i < between; ++i) {
        call();
      }
    } while (Clock::now() < end);
  }
  void stamp_until(Clock::time_point end) {
    const int between = workload.survives == Survives::kPower ? 1 : 64;
    do {
      for (int i = 0; i < between; ++i) {
        const uint64_t from = ticks();
        call();
        latencies.add(ticks() - from);
      }
    } while (Clock::now() < end);
  }
};

}  // namespace

std::vector<Workload> all_workloads() {
  std::vector<Workload> all;
  const auto add = [&all](std::string name, std::string title, Survives survives, int runs, bool document, int threads,
                          int batch, int reads) {
    Workload w;
    w.name = std::move(name);
    w.title = std::move(title);
    w.survives = survives;
    w.shape.runs = runs;
    w.shape.document = document;
    w.threads = threads;
    w.batch = batch;
    w.reads_percent = reads;
    all.push_back(std::move(w));
  };
  const Survives process = Survives::kProcess;
  const Survives power = Survives::kPower;
  add("W1-point", "one run and key, a number", process, 1, false, 1, 1, 0);
  add("W1-doc", "one run and key, 300 bytes", process, 1, true, 1, 1, 0);
  add("W2-point", "1,000 runs in turn, a number", process, 1000, false, 1, 1, 0);
  add("W3-point", "4 threads with 250 runs each, a number", process, 1000, false, 4, 1, 0);
  add("W4-point", "1,000 runs in turn, 5 % reads", process, 1000, false, 1, 1, 5);
  add("W5-point", "1,000 runs in turn, 100 updates a transaction", process, 1000, false, 1, 100, 0);
  add("power-1", "each update durable, 1 thread", power, 1, false, 1, 1, 0);
  add("power-4", "each update durable, 4 threads", power, 4, false, 4, 1, 0);
  add("power-16", "each update durable, 16 threads", power, 16, false, 16, 1, 0);
  add("power-64", "each update durable, 64 threads", power, 64, false, 64, 1, 0);
  add("power-batch", "100 updates a durable transaction, 1 thread", power, 1000, false, 1, 100, 0);
  return all;
}

bool takes_part(const Contender& contender, const Workload& workload) {
  const bool power = workload.survives == Survives::kPower;
  if (power != (contender.survives == Survives::kPower)) {
    return false;
  }
  if (contender.only_w1 && (workload.shape.runs > 1 || workload.threads > 1)) {
    return false;
  }
  if (contender.only_documents && !workload.shape.document) {
    return false;
  }
  return !contender.only_points || (!workload.shape.document && workload.batch == 1);
}

nlohmann::json measure(const Contender& contender, const Workload& workload, const std::string& directory,
                       double seconds) {
  Device device(directory);
  std::unique_ptr<Engine> engine = contender.open(directory, workload.shape);
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::unique_ptr<Worker>> workers;
  const int each = workload.shape.runs / workload.threads;
  for (int i = 0; i < workload.threads; ++i) {
    sessions.push_back(engine->session());
    workers.push_back(std::make_unique<Worker>(workload, *sessions.back(), i * each, each));
  }
  // Threads are there before the time begins; a spinning start would take the processor from those that are late.
  const auto on_all = [&](auto&& work) {
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (size_t i = 1; i < workers.size(); ++i) {
      threads.emplace_back([&, i] {
        go.wait(false);
        work(*workers[i]);
      });
    }
    const auto from = Clock::now();
    go = true;
    go.notify_all();
    work(*workers[0]);
    for (std::thread& t : threads) {
      t.join();
    }
    return std::chrono::duration<double>(Clock::now() - from).count();
  };
  const auto after = [](double s) {
    return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
  };
  auto end = after(seconds * 0.1);
  on_all([&](Worker& w) { w.run_until(end); });  // warm
  uint64_t before = 0;
  for (const auto& w : workers) {
    before += w->updates;
  }

  device.settle();
  const uint64_t bytes_before = device.bytes_written();
  const double cpu_before = cpu_seconds();
  end = after(seconds * 0.65);
  const double passed = on_all([&](Worker& w) { w.run_until(end); });
  const double cpu = cpu_seconds() - cpu_before;
  uint64_t updates = 0;
  for (const auto& w : workers) {
    updates += w->updates;
  }
  updates -= before;
  device.settle();
  const uint64_t bytes = device.bytes_written() - bytes_before;

  end = after(seconds * 0.25);
  on_all([&](Worker& w) { w.stamp_until(end); });
  Latencies latencies;
  for (const auto& w : workers) {
    latencies.add(w->latencies);
  }

  // Every run's last value, by a session that did not write it.
  const auto reader = engine->session();
  for (const auto& w : workers) {
    for (int i = 0; i < w->count; ++i) {
      const uint64_t found = reader->read(w->first + i);
      const uint64_t wanted = w->numbers[static_cast<size_t>(i)];
      if (found != wanted) {
        give_up(contender.name + ", " + workload.name + ": run " + std::to_string(w->first + i) + " holds " +
                std::to_string(found) + " instead of " + std::to_string(wanted));
      }
    }
  }
  rusage used = {};
  getrusage(RUSAGE_SELF, &used);
  const auto ns = [](uint64_t t) { return static_cast<double>(t) * tick_ns(); };
  nlohmann::json result = {
      {"updates_per_second", static_cast<double>(updates) / passed},
      {"updates", updates},
      {"cpu_ns_per_update",
       contender.own_process ? nlohmann::json() : nlohmann::json(cpu * 1e9 / static_cast<double>(updates))},
      {"device_bytes_per_update",
       device.known() ? nlohmann::json(static_cast<double>(bytes) / static_cast<double>(updates)) : nlohmann::json()},
      {"rss_bytes_max", static_cast<uint64_t>(used.ru_maxrss) * 1024},
      {"p50_ns", ns(latencies.percentile(0.5))},
      {"p99_ns", ns(latencies.percentile(0.99))},
      {"p999_ns", ns(latencies.percentile(0.999))},
      {"max_ns", ns(latencies.max())},
      {"stamp_ns", stamp_ns()}};
  workers.clear();
  sessions.clear();
  return result;
}

}  // namespace cairn::bench
