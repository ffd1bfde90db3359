// Checks who may send requests: the names under which this server is addressed, the pages that may call it, the token.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/head.h"
#include "api/http/listen.h"
#include "api/http/refusal.h"
#include "api/secret/secret.h"

namespace cairn::http {

/// The names of one listening address. A web page can make a browser send requests here under a name of its own (DNS
/// rebinding); such a Host is in no list.
struct Names {
  std::vector<std::string> hosts;    // lower case, with the port unless it is the scheme's default
  std::vector<std::string> origins;  // scheme and host
  /// The names of `address` (with its real port), and the `configured` names, which are used as they are, with either
  /// scheme.
  static Names of(const Listen& address, bool tls, const std::vector<std::string>& configured);
};

/// Refuses a Host or an Origin that is not in the list, and requests of other sites that change state.
Refusal check_names(const Fields& fields, std::string_view method, const Names& names);

/// Not thread-safe.
class TokenGate {
 public:
  /// `token` may be null: then every request passes. More than `failures_max` wrong tokens within `window` are answered
  /// 429.
  TokenGate(const Secret* token, size_t failures_max, std::chrono::milliseconds window)
      : token_(token), failures_max_(failures_max), window_(window) {}
  /// 401, or 429 for a wrong token while there were too many. The right token always passes. A request without a token
  /// is not counted.
  Refusal check(const Fields& fields, std::chrono::steady_clock::time_point now);

 private:
  const Secret* token_;
  size_t failures_max_;
  std::chrono::milliseconds window_;
  std::deque<std::chrono::steady_clock::time_point> failures_;  // the last ones, at most failures_max_
};

}  // namespace cairn::http
