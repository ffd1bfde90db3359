#include "bench/client/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace cairn::bench {
namespace {

constexpr long kNotNow = -1;  // it would have to wait

sockaddr_in address_of(const std::string& text) {
  const size_t colon = text.rfind(':');
  sockaddr_in out = {};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<uint16_t>(std::stoi(text.substr(colon + 1))));
  inet_pton(AF_INET, text.substr(0, colon).c_str(), &out.sin_addr);
  return out;
}

}  // namespace

int connect_to(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = address_of(address);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    const std::string why = strerror(errno);
    close(fd);
    throw std::runtime_error("cannot connect to " + address + ": " + why);
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

std::string_view Reply::header(std::string_view name) const {
  for (size_t at = head.find("\r\n"); at != std::string::npos && at + 2 < head.size(); at = head.find("\r\n", at + 2)) {
    const std::string_view line = std::string_view(head).substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        strncasecmp(line.data(), name.data(), name.size()) == 0) {
      const size_t value = line.find_first_not_of(' ', name.size() + 1);
      return value == std::string_view::npos ? std::string_view() : line.substr(value);
    }
  }
  return {};
}

Connection::Connection(const Endpoint& endpoint) : endpoint_(endpoint), fd_(connect_to(endpoint.address)) {
  if (endpoint.tls) {
    tls_.reset(SSL_new(endpoint.tls.get()));
    SSL_set_fd(tls_.get(), fd_);
    SSL_set_connect_state(tls_.get());
    ready_ = false;
  }
}

Connection::~Connection() { close(fd_); }

void Connection::send(std::string_view method, std::string_view target, std::string_view body) {
  out_.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(endpoint_.address);
  // What the npm client sends besides.
  out_ +=
      "\r\nauthorization: Bearer any\r\ntrigger-version: 4.8.3\r\nx-trigger-api-version: 2025-07-16\r\n"
      "x-trigger-electric-version: 1.0.0-beta.1\r\naccept: */*\r\naccept-language: *\r\nsec-fetch-mode: cors\r\n"
      "user-agent: node\r\naccept-encoding: gzip, deflate\r\n";
  if (!body.empty()) {
    out_ += "content-type: application/json\r\ncontent-length: " + std::to_string(body.size()) + "\r\n";
  }
  out_.append("\r\n").append(body);
  if (shake_hands()) {
    write_more();
  }
}

// Of a call that returned `done`, and errno or what OpenSSL keeps: the bytes, 0 at the end, or kNotNow.
long Connection::transfer(long done) {
  if (done > 0) {
    return done;
  }
  if (tls_) {
    const int error = SSL_get_error(tls_.get(), static_cast<int>(done));
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      return kNotNow;
    }
    return 0;
  }
  return done < 0 && (errno == EAGAIN || errno == EINTR) ? kNotNow : 0;
}

bool Connection::shake_hands() {
  ERR_clear_error();  // SSL_get_error looks at what this thread has left there
  if (!ready_) {
    const long done = transfer(SSL_do_handshake(tls_.get()));
    if (done == 0) {
      throw std::runtime_error("the TLS handshake failed");
    }
    ready_ = done > 0;
  }
  return ready_;
}

void Connection::write_more() {
  while (!out_.empty()) {
    const long done = transfer(tls_ ? SSL_write(tls_.get(), out_.data(), static_cast<int>(out_.size()))
                                    : ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL));
    if (done <= 0) {
      ended_ = ended_ || done == 0;
      return;
    }
    out_.erase(0, static_cast<size_t>(done));
  }
}

void Connection::read_more() {
  char buffer[16384];
  for (;;) {
    const long done =
        transfer(tls_ ? SSL_read(tls_.get(), buffer, sizeof buffer) : recv(fd_, buffer, sizeof buffer, 0));
    if (done <= 0) {
      ended_ = ended_ || done == 0;
      return;
    }
    in_.append(buffer, static_cast<size_t>(done));
  }
}

std::optional<Reply> Connection::take() {
  if (!shake_hands()) {
    return std::nullopt;
  }
  write_more();
  read_more();
  const size_t end = in_.find("\r\n\r\n");
  if (end != std::string::npos) {
    Reply reply;
    reply.head = in_.substr(0, end + 2);
    const std::string length(reply.header("content-length"));
    const size_t bytes = length.empty() ? 0 : std::stoul(length);
    if (in_.size() >= end + 4 + bytes) {
      reply.status = static_cast<unsigned>(std::stoul(reply.head.substr(reply.head.find(' ') + 1, 3)));
      reply.body = in_.substr(end + 4, bytes);
      in_.erase(0, end + 4 + bytes);
      return reply;
    }
  }
  if (ended_) {
    throw std::runtime_error(in_.empty() ? "the server closed a connection that waited for an answer"
                                         : "the server closed a connection within an answer");
  }
  return std::nullopt;
}

Reply Connection::wait() {
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    if (auto reply = take()) {
      return std::move(*reply);
    }
    if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(30)) {
      throw std::runtime_error("no answer within 30 s");
    }
    pollfd wanted = {fd_, static_cast<short>(POLLIN | (out_.empty() && ready_ ? 0 : POLLOUT)), 0};
    poll(&wanted, 1, 1000);
  }
}

Reply ask(const Endpoint& endpoint, std::string_view method, std::string_view target, std::string_view body) {
  Connection connection(endpoint);
  connection.send(method, target, body);
  return connection.wait();
}

}  // namespace cairn::bench
