// A store whose clock, random numbers, log and files are the test's: a disk that fails or stands still on demand.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/api_fixture.h"
#include "tests/api/host_files.h"
#include "tests/support/fault_files.h"

namespace cairn::tests {

class HostTest : public ApiTest {
 protected:
  struct Context {
    std::atomic<int64_t> wall_us{1'700'000'000'000'000};
    std::atomic<int64_t> monotonic_ms{5000};
    std::vector<std::string> logged;
    int random_calls = 0;
  };
  void SetUp() override {
    mkdir(path().c_str(), 0700);
    auto posix = wal::open_posix_files(path());
    ASSERT_TRUE(posix.ok());
    posix_ = std::move(*posix);
    faults_ = std::make_unique<testing::FaultFiles>(*posix_);
    files_ = host_files(*faults_);
    hooks_.struct_bytes = sizeof hooks_;
    hooks_.context = &context_;
    hooks_.files = &files_;
    hooks_.log = [](void* c, int32_t level, cairn_status code, const char* message) {
      static_cast<Context*>(c)->logged.push_back(std::to_string(level) + " " + std::to_string(code) + " " + message);
    };
    hooks_.wall_us = [](void* c) { return static_cast<Context*>(c)->wall_us.load(); };
    hooks_.monotonic_ms = [](void* c) { return static_cast<Context*>(c)->monotonic_ms.load(); };
    hooks_.random = [](void* c, void* out, size_t bytes) {
      auto* p = static_cast<unsigned char*>(out);
      for (size_t i = 0; i < bytes; ++i) {
        p[i] = static_cast<unsigned char>(++static_cast<Context*>(c)->random_calls * 37);
      }
    };
    open_with_host();
    start("r", "{\"a\":1}");
  }
  void open_with_host(int32_t durability = 0) {
    cairn_options o = options();
    o.hooks = &hooks_;
    o.durability = durability;
    open(o);
  }
  void reopen(int32_t durability = 0) {
    close_run();
    close();
    open_with_host(durability);
    CAIRN_ASSERT_OK(cairn_run_resume(store_, "r", &run_));
  }
  cairn_stats stats() {
    cairn_stats s = {};
    s.struct_bytes = sizeof s;
    CAIRN_EXPECT(CAIRN_OK, cairn_store_stats(store_, &s));
    return s;
  }

  /// From now on every sync of the log waits in the host's hands.
  void hold_syncs() {
    held_ = true;
    faults_->before = [this](testing::FileCall call, const std::string& name) {
      if (call == testing::FileCall::kSync && name.rfind("wal/", 0) == 0) {
        ++waiting_;
        while (held_) {
          std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        --waiting_;
      }
    };
  }
  void wait_for_a_held_sync() {
    while (waiting_ == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  void release_syncs() { held_ = false; }

  std::atomic<bool> held_{false};
  std::atomic<int> waiting_{0};
  Context context_;
  cairn_hooks hooks_ = {};
  cairn_files files_ = {};
  std::unique_ptr<wal::Files> posix_;
  std::unique_ptr<testing::FaultFiles> faults_;
};

}  // namespace cairn::tests
