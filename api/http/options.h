// The options of a server, its limits, and its counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/principal.h"

namespace cairn::http {

struct Limits {
  size_t header_bytes_max = 16u << 10;  // 431
  // Beyond it the connection that has been idle longest is closed; if none is idle, a further one gets 503. Near the
  // limit each response ends its connection, so that all are served in turn.
  size_t connections_max = 100;
  // Connections without an accepted request (one with a valid token, if there is a token). Beyond it the oldest is
  // closed.
  size_t strangers_max = 25;
  // Requests whose answers the service keeps for later; further ones get 503. Each costs about 2.5 KiB, with TLS about
  // 75 KiB.
  size_t kept_max = 75;
  uint64_t bodies_bytes_max = 256u << 20;  // of all requests that are being read or in work; further ones get 503
  int64_t header_ms = 10'000;  // from a request's first byte to the end of its head; also for the TLS handshake
  int64_t idle_ms = 60'000;    // between two requests of a connection
  int64_t write_ms = 30'000;   // for the client to receive a response
  int64_t linger_ms = 1'000;   // after the last response, for the client to read it before the connection is torn down
  size_t guesses_max = 20;     // refusals that count (Authenticated) within guesses_ms, of all clients; then 429
  int64_t guesses_ms = 10'000;
};

/// Pages of other origins that may call this server (Fetch standard, "CORS protocol"). Never with credentials of the
/// browser.
struct Cors {
  std::vector<std::string> origins;  // "https://app.example", as a browser sends it; none: no other page may
  std::string methods = "GET, POST, PUT, OPTIONS";
  std::string expose_headers;  // which headers of a response such a page may read, besides the standard's own
  int64_t max_age_s = 7200;    // for a browser to remember the answer to a preflight
};

/// What became of a request, for who counts and who logs. Nothing of it lives longer than the call.
struct Ended {
  std::string_view method;  // "": the head was not understood
  std::string_view path;    // as it was sent, without the query
  std::string_view route;   // Admission::route
  unsigned status = 0;      // 0: the client went, or was cut off, before anything of a response was sent
  uint64_t bytes = 0;       // of the response's body
  int64_t duration_us = 0;  // from the whole head to the end of the response
  int role = 0;             // of the principal; 0: nobody was asked, or proved anything
  std::string_view id;      // with ServerOptions::request_ids
};

struct ServerOptions {
  std::vector<std::string> listen;  // "127.0.0.1:4020", "[::1]:0", "unix:/absolute/path"
  std::vector<int> sockets;         // listening sockets that somebody else has opened; the server closes them
  // The absolute path of a unix socket for processes of this process's own user, who prove themselves by that
  // (Credentials::is_own_user); connections of others are closed. Where it cannot be made the server does without, and
  // logs why. "": none.
  std::string own_socket;
  Authenticator authenticate;  // none: nobody is asked who they are
  Cors cors;
  // PEM files: the chain, and its key (open_secret_file). With them every address uses TLS, except
  // unix sockets, which other machines cannot reach.
  std::string tls_cert;
  std::string tls_key;
  std::vector<std::string> hosts;  // further names of this server, as in the Host header: "cairn.example:4020"
  unsigned handler_threads = 16;   // handlers wait for the disk, and a group commit serves all that wait
  Limits limits;
  /// Called for each request when it is over. Threads: the one of all connections. Must not block.
  std::function<void(const Ended&)> on_end;
  /// Each response says in X-Request-Id which request it answers: what the client, or a proxy, sent by this name, if it
  /// is a word of at most 64 letters, digits, '-', '_' and '.'; else one that is made.
  bool request_ids = false;
  /// Called by one thread at a time, with one line without its end. It never has anything that a client sent.
  std::function<void(std::string_view)> log;
};

struct Counters {
  uint64_t connections = 0;  // open now
  uint64_t kept = 0;         // requests whose answers the service keeps now
  uint64_t accepted = 0;
  uint64_t turned_away = 0;      // connections beyond connections_max
  uint64_t made_room = 0;        // connections closed for others
  uint64_t requests = 0;         // that reached the service
  uint64_t refused = 0;          // that did not
  uint64_t timed_out = 0;        // connections closed for being slow or idle
  uint64_t failed_handlers = 0;  // that threw, gave no answer, or one that cannot be sent
};

}  // namespace cairn::http
