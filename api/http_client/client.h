// A client of one HTTP upstream: posts bytes, returns bytes, and never blocks unless it is told to wait.
//
// Invariants:
// - At most one request is in flight, and one connection is open; it is kept for the next request.
// - A request may arrive twice: if a kept connection ends before a byte of the answer, libcurl sends the request once
//   more on a new one; and after Failure::kTransient the caller may send it again. Requests must allow that.
// - Names are resolved in a thread of libcurl, and no call waits for it, neither after a timeout nor on cancel: the
//   thread ends by itself. If libcurl was built without that (no AsynchDNS), open() refuses host names.
// - TLS is 1.2 or newer, and the peer and its name are verified; there is no switch against it. Certificates that sign
//   are those of ca_file, else the system's.
// - Proxies come from the environment (https_proxy, no_proxy), except for connections within this machine.
// - No signals, no redirects, no cookies, no .netrc; nothing is printed.
// - A forked child cannot use a client of its parent, and does not disturb the parent's connection when it destroys it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/http_client/reply.h"
#include "api/secret/secret.h"
#include "cairn/status.h"

namespace cairn::http_client {

struct Options {
  std::string url;              // http://HOST[:PORT][/PREFIX], https://..., unix:/PATH
  Secret token;                 // sent as Authorization: Bearer; empty: no such header
  std::string ca_file;          // PEM; instead of the system's certificates
  int64_t timeout_ms = 30'000;  // of a whole request, from send(): name, connection and answer
  int64_t connect_timeout_ms = 10'000;
  size_t compress_above_bytes = 1024;  // a larger body is sent as zstd, if that is smaller
  size_t reply_bytes_max = size_t{8} << 20;
  bool dangerously_allow_plain_http = false;  // to other machines: anybody on the way can read the token
};

/// Threads: any, one at a time. Functions may throw std::bad_alloc.
class Client {
 public:
  /// Does not connect yet.
  /// Errors: kInvalidArgument (the URL, see parse_endpoint; a limit below 1, a timeout over a day), kUnsafe (plain
  ///         http to another machine), kIo (ca_file cannot be read), kTypeMismatch (it holds no certificate),
  ///         kNoMemory.
  static Result<std::unique_ptr<Client>> open(Options options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Starts a request; poll() continues it. `path` begins with a slash, may have a query, and is sent as it is.
  /// `header`: one more line, "name: value"; empty: none.
  /// Errors: kBusy (one is in flight), kInvalidArgument (a method other than GET, POST, PUT, PATCH, DELETE; a GET
  ///         with a body; bytes that path, content_type or header must not have), kForked, kNoMemory.
  /// Lifetime: copies, or compresses, what it is given.
  Status send(const std::string& method, const std::string& path, std::string_view body,
              const std::string& content_type, std::string_view header = {});

  /// Uses the token from the next request on. False, without a change: it is the same token, or a request is in flight.
  bool set_token(Secret token);

  /// A request was sent, and poll() has not returned its reply yet.
  [[nodiscard]] bool busy() const;

  /// Sends and receives what it can, and waits at most wait_ms for the reply; 0 never waits. Timeouts are noticed only
  /// here: a reply that has arrived but was not polled before its time-out may be lost.
  std::optional<Reply> poll(int64_t wait_ms);

  /// Forgets the request in flight and closes its connection; it may have arrived.
  void cancel();

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace cairn::http_client
