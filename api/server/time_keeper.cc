#include "api/server/time_keeper.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "api/server/times.h"
#include "engine/base/error_detail.h"
#include "wal/signals_blocked.h"

namespace cairn::server {

namespace {

// A trigger may have brought an earlier time since the last look, and the wall clock may have been set.
constexpr int64_t kLookUs = 1'000'000;
constexpr int64_t kPauseUs = 1000;

}  // namespace

TimeKeeper::TimeKeeper(RunStorage& runs, std::function<void(const std::string&)> trouble)
    : runs_(runs), trouble_(std::move(trouble)) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { work(); });
}

TimeKeeper::~TimeKeeper() {
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

// Returns for how long there is nothing to do.
int64_t TimeKeeper::look() noexcept {
  const int64_t now_us = wall_us();
  try {
    const Result<int64_t> due_us = runs_.keep_time(now_us);
    if (due_us.ok()) {
      return std::clamp(*due_us - now_us, kPauseUs, kLookUs);
    }
    if (trouble_) {
      trouble_(engine::error_text(due_us.status()));
    }
  } catch (const std::exception&) {  // the next look may have memory
  }
  return kLookUs;
}

void TimeKeeper::work() {
  for (;;) {
    const std::chrono::microseconds nothing_to_do(look());
    const auto until = std::chrono::steady_clock::now() + nothing_to_do;
    const MutexLock lock(mutex_);
    while (!ends_ && changed_.wait_until(mutex_, until)) {
    }
    if (ends_) {
      return;
    }
  }
}

}  // namespace cairn::server
