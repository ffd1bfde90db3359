#include "tools/serve/supervisor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>

#include "tools/input/number_argument.h"
#include "tools/sync/carrier.h"

namespace cairn::tools {

namespace {

constexpr int kFirstSocket = 3;
constexpr uint64_t kSocketsMax = 1024;

// The variable, which is removed; "": it is not set.
std::string take(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before there are threads
  std::string out = value == nullptr ? "" : value;
  unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  return out;
}

// Of a variable that is meant for this process, as the one with the pid says.
std::optional<uint64_t> take_number(const char* name, const char* pid_name, bool pid_needed) {
  const std::string pid = take(pid_name);
  const auto number = parse_whole(take(name), {1, std::numeric_limits<int64_t>::max()});
  const bool is_meant = pid.empty() ? !pid_needed : pid == std::to_string(getpid());
  return is_meant ? number : std::nullopt;
}

}  // namespace

Supervisor::Supervisor() : notify_(take("NOTIFY_SOCKET")) {
  watchdog_ms_ = static_cast<int64_t>(take_number("WATCHDOG_USEC", "WATCHDOG_PID", false).value_or(0) / 1000);
  const uint64_t count = take_number("LISTEN_FDS", "LISTEN_PID", true).value_or(0);
  take("LISTEN_FDNAMES");
  for (int fd = kFirstSocket; count <= kSocketsMax && fd < kFirstSocket + static_cast<int>(count); ++fd) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) {
      sockets_.push_back(fd);
    }
  }
}

void Supervisor::reloads() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
}

void Supervisor::lives() {
  const int64_t now = monotonic_ms();
  if (watchdog_ms_ != 0 && now - told_ms_ >= watchdog_ms_ / 3) {
    told_ms_ = now;
    tell("WATCHDOG=1");
  }
}

// What cannot be told is not told again: who waits for it acts on the silence.
void Supervisor::tell(const std::string& words) const {
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  if (notify_.size() < 2 || notify_.size() >= sizeof to.sun_path || (notify_[0] != '/' && notify_[0] != '@')) {
    return;
  }
  std::memcpy(to.sun_path, notify_.data(), notify_.size());
  to.sun_path[0] = notify_[0] == '@' ? '\0' : '/';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return;
  }
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + notify_.size());
  (void)sendto(fd, words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to),
               bytes);
  close(fd);
}

}  // namespace cairn::tools
