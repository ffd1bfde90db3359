#include "bench/client/load.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "bench/client/connection.h"

namespace cairn::bench {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);
constexpr auto kLook = std::chrono::milliseconds(100);
constexpr size_t kStatusAt = 9;  // behind "HTTP/1.1 "
constexpr size_t kReadBytes = 65536;

size_t length_of(std::string_view head) {
  constexpr std::string_view kName = "\r\nContent-Length: ";
  const size_t at = head.find(kName);
  if (at == std::string_view::npos) {
    throw std::runtime_error("an answer has no Content-Length: " + std::string(head));
  }
  size_t out = 0;
  for (size_t i = at + kName.size(); i < head.size() && head[i] >= '0' && head[i] <= '9'; ++i) {
    out = out * 10 + static_cast<size_t>(head[i] - '0');
  }
  return out;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (done > 0) {
      bytes.remove_prefix(static_cast<size_t>(done));
    } else if (errno == EAGAIN) {
      pollfd wanted = {fd, POLLOUT, 0};
      poll(&wanted, 1, 1000);
    } else if (errno != EINTR) {
      throw std::runtime_error(std::string("cannot send a request: ") + strerror(errno));
    }
  }
}

}  // namespace

std::string request_text(std::string_view method, std::string_view target, std::string_view address,
                         std::string_view body, std::string_view content_type) {
  std::string out;
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(address).append("\r\n");
  if (!body.empty()) {
    out.append("Content-Type: ").append(content_type).append("\r\nContent-Length: ");
    out.append(std::to_string(body.size())).append("\r\n");
  }
  return out.append("\r\n").append(body);
}

Load::Load(const std::string& address, size_t connections)
    : events_(epoll_create1(EPOLL_CLOEXEC)), peers_(connections) {
  try {
    if (events_ < 0) {
      throw std::runtime_error("no epoll descriptor");
    }
    for (size_t i = 0; i < connections; ++i) {
      peers_[i].fd = connect_to(address);
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(events_, EPOLL_CTL_ADD, peers_[i].fd, &event);
      // A server closes connections that have asked nothing if there are many.
      ask(i, Clock::now(), [&](size_t) { return request_text("GET", "/healthz", address); });
      while (!take(i, {})) {
        wait(kLook);
      }
    }
  } catch (...) {
    close_all();
    throw;
  }
}

Load::~Load() { close_all(); }

void Load::close_all() {
  for (const Peer& peer : peers_) {
    if (peer.fd >= 0) {
      close(peer.fd);
    }
  }
  if (events_ >= 0) {
    close(events_);
  }
}

void Load::ask(size_t index, Clock::time_point due, const Next& next) {
  Peer& peer = peers_[index];
  peer.waits = true;
  peer.since = due;
  ++waiting_;
  send_all(peer.fd, next(index));
}

bool Load::take(size_t index, const Took& took) {
  Peer& peer = peers_[index];
  std::array<char, kReadBytes> buffer;
  const ssize_t done = recv(peer.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (done == 0 || (done < 0 && errno != EAGAIN && errno != EINTR)) {
    throw std::runtime_error("the server closed a connection that was in use");
  }
  if (done > 0) {
    peer.in.append(buffer.data(), static_cast<size_t>(done));
  }
  const size_t end = peer.in.find("\r\n\r\n");
  if (end == std::string::npos) {
    return false;
  }
  const std::string_view head = std::string_view(peer.in).substr(0, end);
  const size_t length = length_of(head);
  const size_t begin = end + 4;
  if (peer.in.size() < begin + length) {
    return false;
  }
  const std::string_view body = std::string_view(peer.in).substr(begin, length);
  if (head.substr(kStatusAt, 3) != "200") {
    throw std::runtime_error("a request was refused: " + std::string(head) + "\n" + std::string(body));
  }
  if (took) {
    took(index, body);
  }
  peer.in.erase(0, begin + length);
  peer.waits = false;
  --waiting_;
  return true;
}

void Load::wait(std::chrono::nanoseconds most) {
  std::array<epoll_event, 256> ready;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(most);
  const timespec limit = {seconds.count(), (most - seconds).count()};
  const int count = epoll_pwait2(events_, ready.data(), static_cast<int>(ready.size()), &limit, nullptr);
  readable_.clear();
  for (int i = 0; i < count; ++i) {
    readable_.push_back(ready.at(static_cast<size_t>(i)).data.u64);
  }
}

Load::Figures Load::run(const Pace& pace, const Next& next, const Took& took) {
  using Seconds = std::chrono::duration<double>;
  const bool is_paced = pace.per_second > 0;
  const auto planned = is_paced ? std::max<uint64_t>(1, static_cast<uint64_t>(pace.seconds * pace.per_second)) : 0;
  uint64_t scheduled = 0;
  Figures out;
  const auto begin = Clock::now();
  const auto after = [begin](double seconds) {
    return begin + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
  };
  const auto end = after(pace.seconds);
  const auto due = [&] { return after(static_cast<double>(scheduled) / pace.per_second); };
  for (size_t i = 0; !is_paced && i < peers_.size(); ++i) {
    ask(i, Clock::now(), next);
  }
  auto heard = begin;
  while (waiting_ > 0 || scheduled < planned) {
    auto now = Clock::now();
    for (; scheduled < planned && due() <= now; ++scheduled) {
      const size_t index = scheduled % peers_.size();
      if (peers_[index].waits) {
        peers_[index].owed.push_back(due());
      } else {
        ask(index, due(), next);
      }
    }
    if (waiting_ == 0) {
      heard = now;
    } else if (now - heard > kPatience) {
      throw std::runtime_error("no answer within 30 s");
    }
    wait(scheduled < planned ? std::clamp<std::chrono::nanoseconds>(due() - Clock::now(), {}, kLook) : kLook);
    for (const size_t index : readable_) {
      if (!take(index, took)) {
        continue;
      }
      now = heard = Clock::now();
      Peer& peer = peers_[index];
      if (is_paced || now <= end) {
        ++out.answers;
        out.ms.push_back(std::chrono::duration<double, std::milli>(now - peer.since).count());
      }
      if (!is_paced && now < end) {
        ask(index, now, next);
      } else if (!peer.owed.empty()) {
        const auto owed = peer.owed.front();
        peer.owed.pop_front();
        ask(index, owed, next);
      }
    }
  }
  out.seconds = is_paced ? Seconds(Clock::now() - begin).count() : pace.seconds;
  return out;
}

void Load::once(const Next& next, const Took& took) {
  for (size_t i = 0; i < peers_.size(); ++i) {
    ask(i, Clock::now(), next);
    const auto begin = Clock::now();
    while (!take(i, took)) {
      if (Clock::now() - begin > kPatience) {
        throw std::runtime_error("no answer within 30 s");
      }
      wait(kLook);
    }
  }
}

}  // namespace cairn::bench
