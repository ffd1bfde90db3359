#include "tests/chaos/chaos_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cairn::tests {

namespace {

constexpr int kTickMs = 50;  // how often a waiting thread looks whether it is to end
constexpr size_t kMessageBytesMax = size_t{16} << 20;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
    fd_ = -1;
  }
  void reset() {
    const linger now = {1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

 private:
  int fd_;
};

sockaddr_in local(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

int connect_to(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = local(port);
  if (port == 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

bool send_all(int fd, const char* bytes, size_t count) {
  while (count > 0) {
    const ssize_t sent = ::send(fd, bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes += sent;
    count -= static_cast<size_t>(sent);
  }
  return true;
}

size_t body_at(const std::string& message) {
  const size_t end = message.find("\r\n\r\n");
  return end == std::string::npos ? end : end + 4;
}

// Where it ends; npos: not known yet.
size_t message_bytes(const std::string& message) {
  const size_t body = body_at(message);
  if (body == std::string::npos) {
    return body;
  }
  constexpr const char* kLength = "content-length:";
  for (size_t line = message.find("\r\n") + 2; line < body - 2; line = message.find("\r\n", line) + 2) {
    if (strncasecmp(message.c_str() + line, kLength, strlen(kLength)) == 0) {
      return body + std::strtoul(message.c_str() + line + strlen(kLength), nullptr, 10);
    }
  }
  return body;
}

// One whole message; "": the other side ended first.
std::string receive(int fd, const std::atomic<bool>& stop) {
  std::string message;
  std::array<char, 16384> buffer{};
  while (message.size() < message_bytes(message) && message.size() < kMessageBytesMax) {
    pollfd wait = {fd, POLLIN, 0};
    if (poll(&wait, 1, kTickMs) == 0) {
      if (stop) {
        return {};
      }
      continue;
    }
    const ssize_t count = recv(fd, buffer.data(), buffer.size(), 0);
    if (count <= 0) {
      return {};
    }
    message.append(buffer.data(), static_cast<size_t>(count));
  }
  return message;
}

}  // namespace

const char* fault_name(Fault fault) {
  constexpr std::array<const char*, kFaultCount> kNames = {
      "passed",        "request lost", "reply lost",    "reply cut", "request cut", "request delayed",
      "reply delayed", "sent again",   "twice at once", "late copy", "reset"};
  return kNames.at(static_cast<size_t>(fault));
}

ChaosProxy::ChaosProxy(uint64_t seed) : random_(seed) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = local(0);
  socklen_t bytes = sizeof address;
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), bytes) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) {
    perror("the proxy cannot listen");
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

ChaosProxy::~ChaosProxy() {
  stop_ = true;
  acceptor_.join();
  for (int left = connections_; left != 0; left = connections_) {
    connections_.wait(left);
  }
  ::close(listener_);
}

void ChaosProxy::next(Fault fault) {
  const std::lock_guard lock(mutex_);
  next_.push_back(fault);
}

void ChaosProxy::set_answered(std::function<void(Fault, const std::string&)> answered) {
  const std::lock_guard lock(mutex_);
  answered_ = std::move(answered);
}

void ChaosProxy::accept_all() {
  while (!stop_) {
    pollfd wait = {listener_, POLLIN, 0};
    if (poll(&wait, 1, kTickMs) <= 0) {
      continue;
    }
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) {
      ++connections_;
      std::thread([this, client] {
        serve(client);
        --connections_;
        connections_.notify_all();
      }).detach();
    }
  }
}

void ChaosProxy::serve(int client) {
  Socket socket(client);
  for (std::string request; !(request = receive(client, stop_)).empty();) {
    uint64_t amount = 0;
    const Fault fault = draw(amount);
    ++requests_;
    ++counts_.at(static_cast<size_t>(fault));
    const auto pause = [amount] { std::this_thread::sleep_for(std::chrono::milliseconds(amount)); };
    if (fault == Fault::kDropRequest) {
      return;
    }
    if (fault == Fault::kCutRequest) {
      const Socket server(connect_to(target_));
      send_all(server.fd(), request.data(), body_at(request) + (request.size() - body_at(request)) / 2);
      return;
    }
    if (fault == Fault::kDelayRequest) {
      pause();
    }
    std::thread other;
    if (fault == Fault::kTwiceAtOnce) {
      ++copies_;
      other = std::thread([this, &request] { answered(Fault::kTwiceAtOnce, exchange(request)); });
    }
    std::string reply = exchange(request);
    if (other.joinable()) {
      other.join();
    }
    answered(fault, reply);
    if (fault == Fault::kDuplicate && !reply.empty()) {
      ++copies_;
      reply = exchange(request);
      answered(fault, reply);
    }
    send_late();
    if (fault == Fault::kLateDuplicate) {
      const std::lock_guard lock(mutex_);
      late_.push_back(request);
    }
    if (reply.empty()) {
      ++unanswered_;
      return;
    }
    if (fault == Fault::kDelayReply) {
      pause();
    }
    if (fault == Fault::kDropReply) {
      return;
    }
    if (fault == Fault::kReset) {
      socket.reset();
      return;
    }
    if (fault == Fault::kCutReply) {
      send_all(client, reply.data(), body_at(reply) + (reply.size() - body_at(reply)) / 2);
      return;
    }
    if (!send_all(client, reply.data(), reply.size())) {
      return;
    }
  }
}

Fault ChaosProxy::draw(uint64_t& amount) {
  const std::lock_guard lock(mutex_);
  if (!next_.empty()) {
    const Fault fault = next_.front();
    next_.pop_front();
    amount = delay_ms_;
    return fault;
  }
  if (!drawing_) {
    return Fault::kPass;
  }
  amount = random_.below(delay_ms_ + 1);
  return random_.one_in(3) ? Fault::kPass : static_cast<Fault>(random_.below(kFaultCount));
}

std::string ChaosProxy::exchange(const std::string& request) {
  const Socket server(connect_to(target_));
  if (server.fd() < 0 || !send_all(server.fd(), request.data(), request.size())) {
    return {};
  }
  return receive(server.fd(), stop_);
}

void ChaosProxy::answered(Fault fault, const std::string& reply) {
  const std::lock_guard lock(mutex_);
  if (answered_ && !reply.empty()) {
    answered_(fault, reply.substr(body_at(reply)));
  }
}

void ChaosProxy::send_late() {
  std::deque<std::string> late;
  {
    const std::lock_guard lock(mutex_);
    late.swap(late_);
  }
  for (const std::string& request : late) {
    ++copies_;
    answered(Fault::kLateDuplicate, exchange(request));
  }
}

std::string ChaosProxy::report() const {
  std::string text = "requests " + std::to_string(requests_) + ", copies " + std::to_string(copies_) + ", unanswered " +
                     std::to_string(unanswered_);
  for (size_t i = 0; i < kFaultCount; ++i) {
    text += std::string(", ") + fault_name(static_cast<Fault>(i)) + " " + std::to_string(counts_.at(i));
  }
  return text;
}

}  // namespace cairn::tests
