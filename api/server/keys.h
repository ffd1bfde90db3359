// Which tokens open which routes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/principal.h"
#include "api/secret/secret.h"

namespace cairn::server {

/// What a principal may do, as bits of its role.
enum Role : int {
  kApiKey = 1,       // everything
  kSyncToken = 2,    // the route of messages, and nothing else
  kPublicToken = 4,  // what its scopes allow, on the routes that have scopes; Principal::claims has them
};

/// The columns that a public token's subscriptions leave out.
std::vector<std::string> skipped_columns(const http::Principal& who);

class Keys {
 public:
  /// `subject`: what public tokens are for, the name of the storage of runs; empty: none is let in. `now_s`: Unix time;
  /// none: that of the system.
  Keys(std::vector<Secret> api, std::vector<Secret> sync, std::string subject = {},
       std::function<int64_t()> now_s = {});
  /// Whether a request must prove anything: not if there is no token at all.
  [[nodiscard]] bool empty() const { return api_.empty() && sync_.empty(); }
  /// Threads: any.
  [[nodiscard]] http::Authenticated check(const http::Credentials& credentials) const;
  /// A public token that says `claims`, signed with the first API key; empty: there is no API key. Threads: any.
  [[nodiscard]] std::string sign(std::string_view claims) const;

 private:
  const std::vector<Secret> api_;
  const std::vector<Secret> sync_;
  const std::string subject_;
  const std::function<int64_t()> now_s_;
};

}  // namespace cairn::server
