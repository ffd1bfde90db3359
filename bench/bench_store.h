// A store for one benchmark, removed after it. It lies in /dev/shm by default (CAIRN_BENCH_DIRECTORY changes it): class
// `process` never waits for the disk.
#pragma once

#include <cairn/cairn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace cairn::bench {

class BenchStore {
 public:
  /// Time stands still but for step(). `metadata_bytes_max` 0: the default.
  explicit BenchStore(uint32_t metadata_bytes_max = 0, int32_t durability = CAIRN_DURABILITY_DEFAULT) {
    const char* base = std::getenv("CAIRN_BENCH_DIRECTORY");
    directory_ = std::string(base != nullptr ? base : "/dev/shm") + "/cairn-bench-" + std::to_string(getpid());
    std::filesystem::remove_all(directory_);
    cairn_options_init(&options_);
    hooks_.struct_bytes = sizeof hooks_;
    hooks_.context = &clock_ms_;
    hooks_.monotonic_ms = [](void* context) { return *static_cast<int64_t*>(context); };
    options_.hooks = &hooks_;
    options_.metadata_bytes_max = metadata_bytes_max;
    options_.durability = durability;
    open();
  }
  ~BenchStore() {
    close();
    std::filesystem::remove_all(directory_);
  }
  BenchStore(const BenchStore&) = delete;
  BenchStore& operator=(const BenchStore&) = delete;

  static void check(cairn_status status) {
    if (CAIRN_FAILED(status)) {
      cairn_error error = {};
      error.struct_bytes = sizeof error;
      cairn_last_error(&error);
      std::fprintf(stderr, "%s: %s\n", cairn_status_text(status), error.message);
      std::abort();
    }
  }
  void open() { check(cairn_store_open(directory_.c_str(), &options_, &store_)); }
  void close() {
    check(cairn_store_close(store_, -1));
    store_ = nullptr;
  }
  cairn_run* start() {
    cairn_run* run = nullptr;
    check(cairn_run_start(store_, nullptr, &run));
    return run;
  }
  cairn_store* store() { return store_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  /// A step that finds a flush due.
  void step() {
    clock_ms_ += 1000;
    check(cairn_store_step(store_, 0));
  }

 private:
  std::string directory_;
  int64_t clock_ms_ = 1'000'000;
  cairn_hooks hooks_ = {};
  cairn_options options_;
  cairn_store* store_ = nullptr;
};

}  // namespace cairn::bench
