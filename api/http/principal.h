// Who sends a request, as far as what it carries proves that.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/http/refusal.h"

namespace cairn::http {

struct Principal {
  int role = 0;        // what the service's Authenticator said, never 0; 0: nobody was asked
  std::string claims;  // what a signed token says, verified; "" without one
};

/// What a request proves itself by.
struct Credentials {
  std::string_view bearer;  // of `Authorization: Bearer TOKEN`; empty: no Authorization, or one of another kind
  std::string_view cookie;  // the Cookie header; empty: none
  bool has_authorization = false;
  bool is_own_user = false;  // the sender runs as this process's user, and connected to ServerOptions::own_socket
};

struct Authenticated {
  Principal principal;
  Refusal refusal;  // of those who prove nothing
  /// Somebody who guesses gets this refusal: beyond a number of them within a time each further one is answered 429.
  bool counts = false;
};

/// Threads: the one of all connections. Must not block.
using Authenticator = std::function<Authenticated(const Credentials&)>;

}  // namespace cairn::http
