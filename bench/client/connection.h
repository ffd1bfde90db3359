// One connection of an HTTP/1.1 client, plain or with TLS, that never waits unless it is asked to.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::bench {

struct Reply {
  unsigned status = 0;
  std::string head;  // with names as they came
  std::string body;
  /// "": there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

/// A server on this machine. It is not asked for a certificate that anybody vouches for.
struct Endpoint {
  std::string address;  // 127.0.0.1:PORT
  std::unique_ptr<SSL_CTX, FreeContext> tls;
};

/// A descriptor that is connected to IP:PORT, and does not block from then on. Throws std::runtime_error.
int connect_to(const std::string& address);

/// Throws std::runtime_error if the server is not there, or ends what it has begun.
class Connection {
 public:
  explicit Connection(const Endpoint& endpoint);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  /// One request; `body` is JSON, "": none. What cannot be sent at once is sent by take().
  void send(std::string_view method, std::string_view target, std::string_view body = {});
  /// Sends and receives what can be without waiting. The next reply, if it is whole.
  std::optional<Reply> take();
  /// The next reply, within 30 s.
  Reply wait();

 private:
  struct FreeTls {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };
  bool shake_hands();
  void write_more();
  void read_more();
  long transfer(long done);

  const Endpoint& endpoint_;
  const int fd_;
  std::unique_ptr<SSL, FreeTls> tls_;
  bool ready_ = true;  // no handshake is under way
  bool ended_ = false;
  std::string out_;
  std::string in_;
};

/// One request on a connection of its own.
Reply ask(const Endpoint& endpoint, std::string_view method, std::string_view target, std::string_view body = {});

}  // namespace cairn::bench
