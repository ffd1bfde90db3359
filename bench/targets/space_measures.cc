// What is written to the device, what stands on the disk, what is held in memory.
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "bench/targets/measures.h"
#include "bench/targets/store.h"
#include "tools/measure/device.h"

namespace cairn::bench {
namespace {

using cairn::tools::Device;

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

uint64_t allocated_bytes(const std::string& directory) {
  uint64_t sum = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    struct stat s = {};
    if (lstat(entry.path().c_str(), &s) == 0) {
      sum += static_cast<uint64_t>(s.st_blocks) * 512;
    }
  }
  return sum;
}

// "VmRSS:  1234 kB" of /proc/self/status, or of smaps_rollup ("Pss:").
uint64_t kib_of(const char* path, const std::string& field) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(field, 0) == 0) {
      return std::strtoull(line.c_str() + field.size(), nullptr, 10);
    }
  }
  return 0;
}
uint64_t rss_bytes() { return kib_of("/proc/self/status", "VmRSS:") * 1024; }
uint64_t pss_bytes() { return kib_of("/proc/self/smaps_rollup", "Pss:") * 1024; }

int descriptors() {
  int n = 0;
  DIR* all = opendir("/proc/self/fd");
  if (all == nullptr) {
    return 0;
  }
  while (readdir(all) != nullptr) {
    ++n;
  }
  closedir(all);
  return n - 3;  // ., .. and the directory itself
}

Json measure_hot_device(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  const Device device(directory.path());
  cairn_store* store = open_store(directory.store(), options_with(CAIRN_OPEN_BACKGROUND));
  cairn_run* run = start_run(store, 0);
  device.settle();
  const uint64_t before = device.bytes_written();
  int64_t n = 0;
  const auto end = Clock::now() + std::chrono::duration<double>(scale.seconds);
  while (Clock::now() < end) {
    for (int i = 0; i < 256; ++i) {
      check(cairn_run_set_int64(run, "progress", 8, ++n), "set");
    }
  }
  device.settle();
  const uint64_t bytes = device.bytes_written() - before;
  expect_value(run, "progress", 8, n);
  check(cairn_run_close(run), "close");
  check(cairn_store_close(store, -1), "close");
  const double each = static_cast<double>(bytes) / static_cast<double>(n);
  return {{"values", {{"updates", n}, {"device_bytes", bytes}, {"device_bytes_per_update", each}}},
          {"target", "< 0.1 bytes an update"},
          {"met", device.known() ? Json(each < 0.1) : Json()}};
}

// Needs a device of its own: bench/targets/flash.sh makes one.
Json measure_flash(const Scale& scale) {
  const double seconds = 20 * scale.seconds;
  const StoreDirectory directory(scale.directory);
  const Device device(directory.path());
  cairn_store* store = open_store(directory.store(), options_with(CAIRN_OPEN_BACKGROUND));
  cairn_run* run = start_run(store, 0);
  check(cairn_store_barrier(store), "barrier");
  std::this_thread::sleep_for(std::chrono::seconds(3));  // a new store's first steps make the reserve of 1 MiB
  device.settle();
  const uint64_t before = device.bytes_written();
  int64_t n = 0;
  const auto from = Clock::now();
  while (Clock::now() - from < std::chrono::duration<double>(seconds)) {
    check(cairn_run_set_int64(run, "progress", 8, ++n), "set");
    std::this_thread::sleep_until(from + std::chrono::milliseconds(100 * n));
  }
  cairn_stats stats = {};
  stats.struct_bytes = sizeof stats;
  check(cairn_store_stats(store, &stats), "stats");
  check(cairn_run_close(run), "close");
  check(cairn_store_close(store, -1), "close");
  store = open_store(directory.store(), options_with(CAIRN_OPEN_BACKGROUND));
  check(cairn_run_open(store, "run-0", &run), "open a run");
  expect_value(run, "progress", 8, n);
  device.settle();
  const uint64_t bytes = device.bytes_written() - before;
  // Nothing changes now: after a moment for what the open and the idle note left, nothing may be written.
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds / 4));
  device.settle();
  const uint64_t idle_before = device.bytes_written();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds / 2));
  device.settle();
  const uint64_t idle = device.bytes_written() - idle_before;
  check(cairn_run_close(run), "close");
  check(cairn_store_close(store, -1), "close");
  const double allowed = 8192.0 * static_cast<double>(stats.flushes) + 8192.0 * seconds / 30;
  return {{"values",
           {{"seconds", seconds},
            {"updates", n},
            {"flushes", stats.flushes},
            {"device_bytes", bytes},
            {"device_bytes_per_flush",
             static_cast<double>(bytes) / static_cast<double>(std::max<uint64_t>(1, stats.flushes))},
            {"allowed_bytes", allowed},
            {"idle_device_bytes", idle}}},
          {"target", "<= 8 KiB a flush + 8 KiB per 30 s, close and open included; idle: 0 (a device of its own)"},
          {"met", device.known() ? Json(static_cast<double>(bytes) <= allowed && idle == 0) : Json()}};
}

Json measure_disk(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  cairn_store* store = open_store(directory.store(), options_with(CAIRN_OPEN_BACKGROUND));
  std::vector<cairn_run*> runs;
  runs.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    runs.push_back(start_run(store, i));
  }
  uint64_t most = 0;
  const auto from = Clock::now();
  // Spread over time, so that flushes and checkpoints have their part: 10 s for 10M updates.
  const uint64_t part = std::max<uint64_t>(1, scale.updates / 100);
  uint64_t done = 0;
  for (uint64_t n = 1; done < scale.updates; ++n) {
    for (size_t i = 0; i < runs.size() && done < scale.updates; ++i, ++done) {
      check(cairn_run_set_int64(runs[i], "progress", 8, static_cast<int64_t>(n)), "set");
      if (done % part == 0) {
        most = std::max(most, allocated_bytes(directory.store()));
        std::this_thread::sleep_until(from + std::chrono::milliseconds(done / part * 100 * scale.updates / 10'000'000));
      }
    }
  }
  check(cairn_store_barrier(store), "barrier");
  most = std::max(most, allocated_bytes(directory.store()));
  expect_value(runs[0], "progress", 8, static_cast<int64_t>((scale.updates + 999) / 1000));
  for (cairn_run* run : runs) {
    check(cairn_run_close(run), "close");
  }
  const uint64_t open_bytes = allocated_bytes(directory.store());
  check(cairn_store_close(store, -1), "close");
  const uint64_t closed = allocated_bytes(directory.store());
  return {
      {"values",
       {{"updates", done}, {"disk_bytes_max", most}, {"disk_bytes_open", open_bytes}, {"disk_bytes_closed", closed}}},
      {"target", "< 32 MiB, log included"},
      {"met", most < (32U << 20)}};
}

Json measure_memory(const Scale& scale) {
  const StoreDirectory directory(scale.directory);
  const uint64_t before = rss_bytes();
  cairn_store* store = open_store(directory.store(), options_with(CAIRN_OPEN_BACKGROUND));
  std::vector<cairn_run*> runs;
  runs.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    runs.push_back(start_run(store, i));
    check(cairn_run_set_int64(runs.back(), "progress", 8, i), "set");
  }
  check(cairn_store_barrier(store), "barrier");
  const uint64_t rss = rss_bytes();
  expect_value(runs[999], "progress", 8, 999);
  for (cairn_run* run : runs) {
    check(cairn_run_close(run), "close");
  }
  check(cairn_store_close(store, -1), "close");
  return {{"values", {{"rss_bytes", rss}, {"rss_growth_bytes", rss - before}}},
          {"target", "RSS of the process < 24 MiB"},
          {"met", rss < (24U << 20)}};
}

struct Held {
  uint64_t rss;
  uint64_t pss;
  int descriptors;
};

// `while_open` is called with all of them open.
Held hold_stores(const std::string& directory, int count, const std::function<void(const Held&)>& while_open) {
  const uint64_t rss = rss_bytes();
  const uint64_t pss = pss_bytes();
  const int fds = descriptors();
  std::vector<cairn_store*> stores;
  stores.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    stores.push_back(open_store(directory + "/store-" + std::to_string(i), options_with(0)));
    cairn_run* run = start_run(stores.back(), 0);
    check(cairn_run_set_int64(run, "progress", 8, 1), "set");
    check(cairn_run_close(run), "close");
    check(cairn_store_step(stores.back(), 0), "step");
  }
  const Held held = {rss_bytes() - rss, pss_bytes() - pss, descriptors() - fds};
  while_open(held);
  for (cairn_store* store : stores) {
    check(cairn_store_close(store, -1), "close");
  }
  return held;
}

Json measure_idle_stores(const Scale& scale) {
  const int count = scale.idle_stores;
  // The many first: their processes begin with this one's memory. All are open at once, until `go` is closed.
  const int processes = std::max(1, count / 10);
  int go[2];
  if (pipe(go) != 0) {
    _exit(1);
  }
  Held many = {};
  for (int p = 0; p < processes; ++p) {
    int ends[2];
    if (pipe(ends) != 0) {
      _exit(1);
    }
    if (fork() == 0) {
      close(go[1]);
      const StoreDirectory own(scale.directory);
      hold_stores(own.path(), count / processes, [&](const Held& held) {
        char end = 0;
        if (write(ends[1], &held, sizeof held) != sizeof held || read(go[0], &end, 1) != 0) {
          _exit(1);
        }
      });
      std::error_code error;
      std::filesystem::remove_all(own.path(), error);
      _exit(0);
    }
    Held held = {};
    if (read(ends[0], &held, sizeof held) != sizeof held) {
      _exit(1);
    }
    close(ends[0]);
    close(ends[1]);
    many.rss += held.rss;
    many.pss += held.pss;
    many.descriptors += held.descriptors;
  }
  close(go[0]);
  close(go[1]);
  for (int p = 0; p < processes; ++p) {
    int status = 0;
    if (wait(&status) < 0 || status != 0) {
      _exit(1);
    }
  }
  const StoreDirectory in_one(scale.directory);
  const Held one = hold_stores(in_one.path(), count, [](const Held&) {});
  const auto each = [count](uint64_t v) { return static_cast<double>(v) / count; };
  return {{"values",
           {{"stores", count},
            {"one_process_rss_bytes_each", each(one.rss)},
            {"one_process_descriptors_each", each(static_cast<uint64_t>(one.descriptors))},
            {"processes", processes},
            {"many_processes_rss_bytes_each", each(many.rss)},
            {"many_processes_pss_bytes_each", each(many.pss)},
            {"many_processes_descriptors_each", each(static_cast<uint64_t>(many.descriptors))}}},
          {"target", "reported"},
          {"met", nullptr}};
}

}  // namespace

std::vector<Measure> space_measures() {
  return {{"device", "bytes to the device while one run is updated as fast as possible", measure_hot_device},
          {"disk", "space on the disk while 1,000 runs are updated, nothing upstream", measure_disk},
          {"memory", "RSS with 1,000 hot runs", measure_memory},
          {"idle-stores", "memory and descriptors of idle stores, in one process and in many", measure_idle_stores},
          {"flash", "bytes to the device at 10 updates a second, then idle", measure_flash}};
}

}  // namespace cairn::bench
