#include "bench/client/event_readers.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <stdexcept>

#include "bench/client/connection.h"
#include "bench/client/load.h"

namespace cairn::bench {
namespace {

constexpr size_t kReadBytes = 65536;
constexpr int kLookMs = 20;
constexpr int kSixteen = 16;

/// The text of a member of `row`, as the server writes it; "": there is none.
std::string_view text_member(std::string_view row, std::string_view name) {
  const std::string begin = "\"" + std::string(name) + "\":\"";
  const size_t at = row.find(begin);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view rest = row.substr(at + begin.size());
  return rest.substr(0, rest.find('"'));
}

}  // namespace

std::string Dechunked::add(std::string_view bytes) {
  in_.append(bytes);
  std::string out;
  size_t at = 0;
  for (;;) {
    const size_t line = in_.find("\r\n", at);
    if (line == std::string::npos) {
      break;
    }
    size_t size = 0;
    const auto read = std::from_chars(in_.data() + at, in_.data() + line, size, kSixteen);
    if (read.ec != std::errc() || read.ptr != in_.data() + line) {
      throw std::runtime_error("a stream of events is no sequence of chunks");
    }
    if (size == 0) {
      throw std::runtime_error("the server ended a stream of events");
    }
    const size_t begin = line + 2;
    if (in_.size() < begin + size + 2) {
      break;
    }
    out.append(in_, begin, size);
    at = begin + size + 2;
  }
  in_.erase(0, at);
  return out;
}

EventReaders::EventReaders(const std::string& address, size_t count)
    : events_(epoll_create1(EPOLL_CLOEXEC)), readers_(count) {
  try {
    for (size_t i = 0; i < count; ++i) {
      const int fd = connect_to(address);
      readers_[i].fd = fd;
      const std::string request = request_text("GET", "/cairn/v1/events", address);
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (epoll_ctl(events_, EPOLL_CTL_ADD, fd, &event) != 0 ||
          send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
        throw std::runtime_error("cannot ask for events");
      }
    }
  } catch (...) {
    close_all();
    throw;
  }
  thread_ = std::thread([this] {
    try {
      drive();
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex_);
      failed_ = e.what();
    }
  });
}

EventReaders::~EventReaders() {
  stop_ = true;
  thread_.join();
  close_all();
}

void EventReaders::close_all() {
  for (const Reader& reader : readers_) {
    if (reader.fd >= 0) {
      close(reader.fd);
    }
  }
  close(events_);
}

void EventReaders::drive() {
  std::array<epoll_event, 64> ready;
  while (!stop_) {
    const int count = epoll_wait(events_, ready.data(), static_cast<int>(ready.size()), kLookMs);
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < count; ++i) {
      read(readers_[ready.at(static_cast<size_t>(i)).data.u64]);
    }
  }
}

void EventReaders::read(Reader& reader) {
  std::array<char, kReadBytes> buffer;
  const ssize_t done = recv(reader.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (done < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (done <= 0) {
    throw std::runtime_error("the server closed a stream of events");
  }
  std::string_view bytes(buffer.data(), static_cast<size_t>(done));
  std::string head;
  if (!reader.has_head) {
    head = reader.in.append(bytes);
    const size_t end = head.find("\r\n\r\n");
    if (end == std::string::npos) {
      return;
    }
    if (!head.starts_with("HTTP/1.1 200")) {
      throw std::runtime_error("a request for events was refused: " + head);
    }
    reader.has_head = true;
    reader.in.clear();
    bytes = std::string_view(head).substr(end + 4);
  }
  reader.text += reader.chunks.add(bytes);
  size_t at = 0;
  for (size_t end = 0; (end = reader.text.find("\n\n", at)) != std::string::npos; at = end + 2) {
    take_event(reader, std::string_view(reader.text).substr(at, end - at));
  }
  reader.text.erase(0, at);
}

void EventReaders::take_event(Reader& reader, std::string_view event) {
  if (event.find("event: reset") != std::string_view::npos) {
    throw std::runtime_error("a stream of events was reset: it fell behind");
  }
  // A row is {"id":...,"sequence":...,...} without braces inside.
  for (size_t at = event.find("{\"id\""); at != std::string_view::npos; at = event.find("{\"id\"", at + 1)) {
    const std::string_view row = event.substr(at, event.find('}', at) - at);
    reader.sequences[std::string(text_member(row, "id"))] = text_member(row, "sequence");
    ++rows_;
  }
}

void EventReaders::expect_alive() const {
  if (!failed_.empty()) {
    throw std::runtime_error(failed_);
  }
}

bool EventReaders::are_open() const {
  const std::lock_guard lock(mutex_);
  expect_alive();
  return std::all_of(readers_.begin(), readers_.end(), [](const Reader& reader) { return reader.has_head; });
}

uint64_t EventReaders::rows() const {
  const std::lock_guard lock(mutex_);
  expect_alive();
  return rows_;
}

bool EventReaders::have(const std::string& run, const std::string& sequence) const {
  const std::lock_guard lock(mutex_);
  expect_alive();
  return std::all_of(readers_.begin(), readers_.end(), [&](const Reader& reader) {
    const auto found = reader.sequences.find(run);
    return found != reader.sequences.end() && found->second == sequence;
  });
}

}  // namespace cairn::bench
