// The address that requests go to, parsed from a URL.
#pragma once

#include <string>

#include "cairn/status.h"

namespace cairn::http_client {

struct Endpoint {
  std::string base;         // scheme, host, port and prefix, without a last slash: a path is appended to it
  std::string socket_path;  // of unix:, else empty
  std::string shown;        // for people; has no secret, because `base` has no user and no query
  bool tls = false;
  bool local = false;     // a loopback address, localhost or a socket: never leaves the machine
  bool has_name = false;  // a host name that must be resolved
};

/// http://HOST[:PORT][/PREFIX], https://HOST[:PORT][/PREFIX] or unix:/PATH.
/// Errors: kInvalidArgument (no such URL; a user, query or fragment in it; another scheme), kUnsafe (http to a host
///         that is not this machine, unless allow_plain_http).
Result<Endpoint> parse_endpoint(const std::string& url, bool allow_plain_http);

}  // namespace cairn::http_client
