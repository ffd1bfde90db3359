// An HTTP/1.1 server that does what a script says: one step a request, over TCP, TLS or a unix socket.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace cairn::tests {

/// What the server does with one request, or with one connection.
struct Step {
  enum Kind {
    kAnswer,      // sends `bytes`, keeps the connection
    kHold,        // reads the request, sends `bytes` when the test calls release()
    kCut,         // sends `bytes`, closes
    kReset,       // sends `bytes`, resets the connection
    kEarly,       // reads the head of the request only, sends `bytes`, closes
    kTunnel,      // TLS only: takes a CONNECT, sends `bytes`, and is itself what stands behind the tunnel
    kSlam,        // resets the connection as soon as somebody connects
    kDeaf,        // reads nothing until release(), then resets
    kMumble,      // TLS only: sends `bytes` in place of a handshake, closes
    kMumbleReset  // TLS only: resets in place of a handshake
  };
  Kind kind = kAnswer;
  std::string bytes;
};

/// `headers`: whole lines with their ends.
inline std::string http(int status, std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " Some reason\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline Step answer(int status, std::string_view body, std::string_view headers = "") {
  return {Step::kAnswer, http(status, body, headers)};
}
inline Step raw(std::string bytes) { return {Step::kAnswer, std::move(bytes)}; }
inline Step held(std::string_view body) { return {Step::kHold, http(200, body)}; }
inline Step cut(std::string bytes) { return {Step::kCut, std::move(bytes)}; }
inline Step reset(std::string bytes) { return {Step::kReset, std::move(bytes)}; }

struct Request {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in small letters
  std::string body;
  size_t bytes = 0;  // of head and body
  int connection = 0;
};

struct ServerTls {
  std::string certificate_file;
  std::string key_file;
  int version_max = 0;  // 0: OpenSSL's own
};

class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<Step> script) : script_(std::move(script)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_at(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ScriptedServer(const ServerTls& tls, std::vector<Step> script) : script_(std::move(script)) {
    tls_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_security_level(tls_.get(), 0);
    if (SSL_CTX_use_certificate_chain_file(tls_.get(), tls.certificate_file.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_.get(), tls.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_min_proto_version(tls_.get(), TLS1_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(tls_.get(), tls.version_max) != 1) {
      abort();
    }
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_at(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ScriptedServer(const std::string& socket_path, std::vector<Step> script)
      : script_(std::move(script)), socket_path_(socket_path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
    listen_at(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ~ScriptedServer() {
    release();
    stop_ = true;
    shutdown(listener_, SHUT_RDWR);
    {
      const std::lock_guard lock(mutex_);
      if (open_ >= 0) {
        shutdown(open_, SHUT_RDWR);
      }
    }
    thread_.join();
    close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& host = "127.0.0.1") const {
    if (!socket_path_.empty()) {
      return "unix:" + socket_path_;
    }
    return (tls_ ? "https://" : "http://") + host + ":" + std::to_string(port_);
  }
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] Request last() const {
    const std::lock_guard lock(mutex_);
    return requests_.empty() ? Request{} : requests_.back();
  }
  /// What `kHold` and `kDeaf` wait for, once for all.
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  void wait_for_requests(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests_.size() >= count; });
  }
  void wait_for_connections(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return connections_ >= count; });
  }
  [[nodiscard]] bool released() const {
    const std::lock_guard lock(mutex_);
    return released_;
  }

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  struct FreeSession {
    void operator()(SSL* session) const { SSL_free(session); }
  };
  using Session = std::unique_ptr<SSL, FreeSession>;

  void listen_at(sockaddr* address, socklen_t bytes) {
    listener_ = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener_, address, bytes) != 0 || listen(listener_, 16) != 0) {
      abort();
    }
    if (address->sa_family == AF_INET) {
      sockaddr_in bound = {};
      socklen_t bound_bytes = sizeof bound;
      getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &bound_bytes);
      port_ = ntohs(bound.sin_port);
    }
    thread_ = std::thread([this] { serve(); });
  }

  void serve() {
    sigset_t pipe;  // of OpenSSL's writes, in this thread only: the client's side stays as it is
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (!stop_) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      {
        const std::lock_guard lock(mutex_);
        open_ = fd;
        ++connections_;
        changed_.notify_all();
      }
      if (!stop_) {
        serve_connection(fd);
      }
      const std::lock_guard lock(mutex_);
      open_ = -1;
      close(fd);
    }
  }

  [[nodiscard]] Step::Kind next_kind() const { return next_ < script_.size() ? script_[next_].kind : Step::kReset; }
  std::string take_bytes() {
    const size_t at = next_++;
    return at < script_.size() ? script_[at].bytes : std::string();
  }
  static void make_reset(int fd) {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  void wait_for_release() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return released_; });
  }

  void note(Request& request) {
    const std::lock_guard lock(mutex_);
    request.connection = connections_;
    requests_.push_back(request);
    changed_.notify_all();
  }

  void serve_connection(int fd) {
    switch (next_kind()) {
      case Step::kSlam:
      case Step::kMumbleReset:
        take_bytes();
        make_reset(fd);
        return;
      case Step::kMumble: {
        const std::string bytes = take_bytes();
        ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        drain(fd);
        return;
      }
      default:
        break;
    }
    if (next_kind() == Step::kTunnel) {
      std::string pending;
      Request request;
      if (!read_request(fd, nullptr, pending, request)) {
        return;
      }
      note(request);
      send_bytes(fd, nullptr, take_bytes());
    }
    Session session;
    if (tls_) {
      session.reset(SSL_new(tls_.get()));
      SSL_set_fd(session.get(), fd);
      if (SSL_accept(session.get()) != 1) {
        return;
      }
    }
    if (next_kind() == Step::kEarly) {
      std::string head;
      while (head.find("\r\n\r\n") == std::string::npos && more(fd, session.get(), head)) {
      }
      send_bytes(fd, session.get(), take_bytes());
      shutdown(fd, SHUT_WR);
      drain(fd);
      return;
    }
    if (next_kind() == Step::kDeaf) {
      take_bytes();
      wait_for_release();
      make_reset(fd);
      return;
    }
    std::string pending;
    while (!stop_) {
      Request request;
      if (!read_request(fd, session.get(), pending, request)) {
        return;
      }
      const Step::Kind kind = next_kind();
      const std::string bytes = take_bytes();
      note(request);
      if (kind == Step::kHold) {
        wait_for_release();
      }
      send_bytes(fd, session.get(), bytes);
      if (kind == Step::kReset) {
        if (!bytes.empty()) {
          wait_until_read(fd);
        }
        make_reset(fd);
        return;
      }
      if (kind == Step::kCut) {
        if (session) {
          SSL_shutdown(session.get());
        }
        shutdown(fd, SHUT_WR);
        drain(fd);
        return;
      }
    }
  }

  // Until the peer's kernel has all bytes: a reset would throw away what is still on its way.
  static void wait_until_read(int fd) {
    struct timespec pause = {.tv_sec = 0, .tv_nsec = 1'000'000};
    int unacknowledged = 1;
    while (ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged > 0) {
      nanosleep(&pause, nullptr);
    }
  }
  static void drain(int fd) {
    char bytes[4096];
    while (recv(fd, bytes, sizeof bytes, 0) > 0) {
    }
  }

  static ssize_t receive(int fd, SSL* session, char* bytes, size_t count) {
    return session != nullptr ? SSL_read(session, bytes, static_cast<int>(count)) : recv(fd, bytes, count, 0);
  }
  static void send_bytes(int fd, SSL* session, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = session != nullptr ? SSL_write(session, bytes.data(), static_cast<int>(bytes.size()))
                                              : ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return;
      }
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  static bool more(int fd, SSL* session, std::string& pending) {
    char bytes[16384];
    const ssize_t got = receive(fd, session, bytes, sizeof bytes);
    if (got <= 0) {
      return false;
    }
    pending.append(bytes, static_cast<size_t>(got));
    return true;
  }

  static bool read_request(int fd, SSL* session, std::string& pending, Request& request) {
    size_t end = 0;
    while ((end = pending.find("\r\n\r\n")) == std::string::npos) {
      if (!more(fd, session, pending)) {
        return false;
      }
    }
    const std::string head = pending.substr(0, end + 2);
    pending.erase(0, end + 4);
    size_t line_end = head.find("\r\n");
    const std::string first = head.substr(0, line_end);
    request.method = first.substr(0, first.find(' '));
    request.target = first.substr(request.method.size() + 1, first.rfind(' ') - request.method.size() - 1);
    for (size_t at = line_end + 2; at < head.size(); at = line_end + 2) {
      line_end = head.find("\r\n", at);
      const std::string line = head.substr(at, line_end - at);
      std::string name = line.substr(0, line.find(':'));
      for (char& c : name) {
        c = static_cast<char>(tolower(c));
      }
      const size_t value = line.find_first_not_of(' ', name.size() + 1);
      request.headers[name] = value == std::string::npos ? "" : line.substr(value);
    }
    const auto length = request.headers.find("content-length");
    const size_t body_bytes = length == request.headers.end() ? 0 : std::stoul(length->second);
    while (pending.size() < body_bytes) {
      if (!more(fd, session, pending)) {
        return false;
      }
    }
    request.body = pending.substr(0, body_bytes);
    pending.erase(0, body_bytes);
    request.bytes = end + 4 + body_bytes;
    return true;
  }

  std::vector<Step> script_;
  std::string socket_path_;
  std::unique_ptr<SSL_CTX, FreeContext> tls_;
  int listener_ = -1;
  int port_ = 0;
  size_t next_ = 0;  // the serving thread's
  std::atomic<int> connections_ = 0;
  std::atomic<bool> stop_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::vector<Request> requests_;
  bool released_ = false;
  int open_ = -1;

  std::thread thread_;
};

}  // namespace cairn::tests
