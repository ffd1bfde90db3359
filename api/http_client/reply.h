// The outcome of a request.
#pragma once

#include <cstdint>
#include <string>

namespace cairn::http_client {

enum class Failure : uint8_t {
  kNone,       // answered, with whatever status
  kTransient,  // no name, refused, reset, cut off, timed out, no memory: the same request may work later. It may also
               // have arrived.
  kTls,        // a certificate or a handshake: does not work until it is repaired
  kProtocol,   // not HTTP, or more bytes than reply_bytes_max
};

struct Reply {
  Failure failure = Failure::kNone;
  long http_status = 0;         // 0 unless answered. Redirects are not followed: a 3xx is an answer
  std::string body;             // empty unless answered
  int64_t retry_after_ms = -1;  // -1: none. Dates count from the reply's own Date, where it has one
  std::string error;            // one line for people, empty if answered. No token, no user, no query
  uint64_t bytes_sent = 0;      // headers and body on the wire, without TLS; counted again if it was sent again
  uint64_t bytes_received = 0;  // likewise

  [[nodiscard]] bool answered() const { return failure == Failure::kNone; }
};

}  // namespace cairn::http_client
