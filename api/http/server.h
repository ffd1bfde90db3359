// An HTTP/1.1 server for one service. It listens on loopback addresses and unix sockets; on others only if it asks who
// sends a request, and with TLS. What it refuses by itself never reaches the service: see Limits, and SECURITY below.
//
// SECURITY. A request reaches Service::serve only if
//  - its Host is one of this server's names, and its Origin, if there is one, too, or one of ServerOptions::cors (DNS
//    rebinding, other sites' pages);
//  - the Authenticator, if there is one, knows who sends it;
//  - its head, body, number and pace are within Limits and what Service::admit allows;
//  - its framing and its path can be understood in one way only.
// Everything else is answered 400, 401, 403, 405, 408, 413, 417, 421, 429, 431 or 503, and the connection is closed. A
// preflight of an allowed page is answered 204 before anybody is asked who they are. The service must ensure that GET
// changes nothing, and decide which Content-Type may change something.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/http/options.h"
#include "api/http/service.h"
#include "cairn/status.h"

namespace cairn::http {

class Server {
 public:
  /// Listens, and serves until stop().
  /// Errors: kUnsafe (an address that others can reach without token and TLS; a TLS key's file that open_secret_file refuses; a file at
  /// the path of a unix socket), kBusy (another server listens there), kInvalidArgument (no or wrong addresses,
  /// certificate or key), kIo, kNoMemory. `what` says which. After an error nothing listens.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Service& service);
  /// stop(0).
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// As in ServerOptions::listen, with the real ports.
  [[nodiscard]] std::vector<std::string> addresses() const;
  /// Reads the certificate and its key again, for connections that come from now on; those that are there go on. After
  /// an error all is as before. Without TLS nothing happens. Errors: those of start() for the two files. Threads: any
  /// except a handler's.
  Status reload_tls();
  /// Stops listening, closes idle connections, calls Service::let_go, and answers the requests that are in work. After
  /// `deadline_ms` it closes the connections that have sent nothing of a response, and after the same time once more
  /// those whose clients still do not read theirs. It returns earlier if all is done, and later only if a handler runs
  /// longer. Threads: any except a handler's. A second call waits for the first.
  void stop(int64_t deadline_ms) noexcept;
  [[nodiscard]] Counters counters() const noexcept;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::http
