// An HTTP/1.1 server for one function. It listens on loopback addresses and unix sockets; on others only with a token
// and TLS. What it refuses by itself never reaches the function: see Limits, and SECURITY below.
//
// SECURITY. A request reaches the handler only if
//  - its Host is one of this server's names, and its Origin, if there is one, too (DNS rebinding, other sites' pages);
//  - it carries the token, if one is set, as `Authorization: Bearer TOKEN`;
//  - its head, body, number and pace are within Limits;
//  - its framing and its path can be understood in one way only.
// Everything else is answered 400, 401, 403, 408, 413, 417, 421, 429, 431 or 503, and the connection is closed. For the
// handler to see to: that GET changes nothing, and which Content-Type changes something.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/secret/secret.h"
#include "cairn/status.h"

namespace cairn::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // HEAD comes as GET; the listener leaves the body out of the answer
  std::string path;    // begins with "/"; decoded once and checked, never to be decoded again
  std::string query;   // what follows "?", as it was sent
  std::string body;
  Headers headers;  // as sent, without Authorization

  /// The first header of this name, in any case; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// Each response gets Date, Content-Length, `X-Content-Type-Options: nosniff` and, unless it has a Cache-Control,
/// `Cache-Control: no-store`. A response that cannot be sent as it is (a line end in a header) becomes a 500.
struct Response {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  Headers headers;
};

/// Threads: called by several threads at once. If it throws, the client gets a 500 without a word of it.
/// It must return: stop() waits for it.
using Handler = std::function<Response(const Request&)>;

struct Limits {
  size_t header_bytes_max = 16u << 10;  // 431
  size_t body_bytes_max = 8u << 20;     // 413, before it is read where Content-Length says so
  // Beyond it the connection that has been idle longest makes room; if none is idle, a further one gets 503. Near it
  // each response ends its connection, so that all get their turn.
  size_t connections_max = 100;
  // Of those, without a request that was let in: with a valid token, if there is one. Beyond it the oldest makes room.
  size_t strangers_max = 25;
  uint64_t bodies_bytes_max = 256u << 20;  // of all requests that are being read or in work; further ones get 503
  int64_t header_ms = 10'000;  // from a request's first byte to the end of its head; also for the TLS handshake
  int64_t body_ms = 30'000;
  int64_t idle_ms = 60'000;   // between two requests of a connection
  int64_t write_ms = 30'000;  // for the client to take a response
  int64_t linger_ms = 1'000;  // after the last response, for the client to read it before the connection is torn down
  size_t token_failures_max = 20;  // wrong tokens within token_window_ms, of all clients; further ones get 429
  int64_t token_window_ms = 10'000;
};

struct ServerOptions {
  std::vector<std::string> listen;  // "127.0.0.1:4020", "[::1]:0", "unix:/absolute/path"
  std::optional<Secret> token;
  // PEM files: the chain, and its key, which others must not be able to read. With them every address speaks TLS, but
  // unix sockets, which others cannot reach.
  std::string tls_cert;
  std::string tls_key;
  std::vector<std::string> hosts;  // further names of this server, as they stand in Host: "cairn.example:4020"
  unsigned handler_threads = 16;   // handlers wait for the disk, and a group commit serves all that wait
  Limits limits;
  /// Called by one thread at a time: one line without its end. Never with anything that a client sent.
  std::function<void(std::string_view)> log;
};

struct Counters {
  uint64_t connections = 0;  // open now
  uint64_t accepted = 0;
  uint64_t turned_away = 0;      // connections beyond connections_max
  uint64_t made_room = 0;        // connections closed for others
  uint64_t requests = 0;         // that reached the handler
  uint64_t refused = 0;          // that did not
  uint64_t timed_out = 0;        // connections closed for being slow or idle
  uint64_t failed_handlers = 0;  // threw, or gave what cannot be sent
};

class Server {
 public:
  /// Listens, and serves until stop().
  /// Errors: kUnsafe (an address that others can reach without token and TLS; a TLS key that others can read; a file in
  /// the way of a unix socket), kBusy (somebody listens there), kInvalidArgument (no or wrong addresses, certificate or
  /// key), kIo, kNoMemory. `what` says which. After an error nothing listens.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Handler handler);
  /// stop(0).
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// As in ServerOptions::listen, with the real ports.
  [[nodiscard]] std::vector<std::string> addresses() const;
  /// Listens no more at once, closes idle connections, answers the requests that are in work, and closes everything
  /// after `deadline_ms`. It returns earlier if all is done, and later only if a handler runs longer. Threads: any but
  /// a handler's. A second call waits for the first.
  void stop(int64_t deadline_ms) noexcept;
  [[nodiscard]] Counters counters() const noexcept;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::http
