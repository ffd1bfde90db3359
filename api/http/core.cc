#include "api/http/core.h"

#include <algorithm>
#include <chrono>
#include <utility>  // ahead of Asio

namespace cairn::http {

void Core::log(std::string_view line) const noexcept {
  if (!log_) {
    return;
  }
  try {
    log_(line);
  } catch (...) {  // NOLINT(bugprone-empty-catch): where would it be told?
  }
}

void Core::enter(const std::shared_ptr<Connection>& connection) {
  connections.insert(connection);
  const MutexLock lock(mutex_);
  open_ = connections.size();
}

void Core::leave(const std::shared_ptr<Connection>& connection) noexcept {
  connections.erase(connection);
  const MutexLock lock(mutex_);
  open_ = connections.size();
  if (open_ == 0) {
    empty_.notify_all();
  }
}

uint64_t Core::open() const noexcept {
  const MutexLock lock(mutex_);
  return open_;
}

bool Core::wait_until_empty(int64_t deadline_ms) noexcept {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(std::max<int64_t>(deadline_ms, 0));
  const MutexLock lock(mutex_);
  bool in_time = true;
  while (open_ != 0 && in_time) {
    in_time = empty_.wait_until(mutex_, until);
  }
  return open_ == 0;
}

}  // namespace cairn::http
