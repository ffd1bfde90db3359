#include "api/http/core.h"

#include <algorithm>
#include <utility>  // ahead of Asio

#include "api/http/connection.h"

namespace cairn::http {

void Core::log(std::string_view line) const noexcept {
  if (!log_) return;
  try {
    log_(line);
  } catch (...) {  // NOLINT(bugprone-empty-catch): where would it be told?
  }
}

void Core::enter(const std::shared_ptr<Connection>& connection) {
  connections.insert(connection);
  const std::lock_guard lock(mutex_);
  open_ = connections.size();
}

void Core::leave(const std::shared_ptr<Connection>& connection) noexcept {
  connections.erase(connection);
  const std::lock_guard lock(mutex_);
  open_ = connections.size();
  if (open_ == 0) empty_.notify_all();
}

uint64_t Core::open() const noexcept {
  const std::lock_guard lock(mutex_);
  return open_;
}

bool Core::wait_until_empty(int64_t deadline_ms) noexcept {
  std::unique_lock lock(mutex_);
  return empty_.wait_for(lock, std::chrono::milliseconds(std::max<int64_t>(deadline_ms, 0)),
                         [&] { return open_ == 0; });
}

}  // namespace cairn::http
