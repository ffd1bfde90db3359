// Checks who may send requests: the names under which this server is addressed, the pages that may call it, and what
// they prove themselves by.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/head.h"
#include "api/http/listen.h"
#include "api/http/principal.h"
#include "api/http/refusal.h"

namespace cairn::http {

/// The names of one listening address. A web page can make a browser send requests here under a name of its own (DNS
/// rebinding); such a Host is in no list.
struct Names {
  std::vector<std::string> hosts;    // lower case, with the port unless it is the scheme's default
  std::vector<std::string> origins;  // scheme and host
  bool is_own_socket = false;        // ServerOptions::own_socket
  /// The names of `address` (with its real port), and the `configured` names, which are used as they are, with either
  /// scheme.
  static Names of(const Listen& address, bool tls, const std::vector<std::string>& configured);
};

/// Refuses a Host that is not in the list, an Origin that is neither there nor in `allowed`, and requests of other sites
/// that change state. `page` gets the Origin if it is one of `allowed`: the response has to name it.
Refusal check_names(const Fields& fields, std::string_view method, const Names& names,
                    const std::vector<std::string>& allowed, std::string& page);

/// Asks the browser's question whether a page may send a request (a preflight).
bool is_preflight(const Fields& fields, std::string_view method);

/// Not thread-safe.
class CredentialGate {
 public:
  /// `authenticate` may be empty: then every request passes. More than `guesses_max` refusals that count within
  /// `window` are answered 429.
  CredentialGate(Authenticator authenticate, size_t guesses_max, std::chrono::milliseconds window)
      : authenticate_(std::move(authenticate)), guesses_max_(guesses_max), window_(window) {}
  [[nodiscard]] bool are_asked_for() const { return static_cast<bool>(authenticate_); }
  /// Whoever proves who they are always passes. `of_a_page` of another site: its cookies prove nothing, the browser adds
  /// them by itself. `is_own_user`: see Credentials.
  Refusal check(const Fields& fields, bool of_a_page, bool is_own_user, std::chrono::steady_clock::time_point now,
                Principal& principal);

 private:
  Authenticator authenticate_;
  size_t guesses_max_;
  std::chrono::milliseconds window_;
  std::deque<std::chrono::steady_clock::time_point> guesses_;  // the last ones, at most guesses_max_
};

}  // namespace cairn::http
