// Which tokens open which routes.
#pragma once

#include <vector>

#include "api/http/principal.h"
#include "api/secret/secret.h"

namespace cairn::server {

/// What a principal may do, as bits of its role.
enum Role : int {
  kApiKey = 1,     // everything
  kSyncToken = 2,  // the route of messages, and nothing else
};

class Keys {
 public:
  Keys(std::vector<Secret> api, std::vector<Secret> sync) : api_(std::move(api)), sync_(std::move(sync)) {}
  /// Whether a request must prove anything: not if there is no token at all.
  [[nodiscard]] bool empty() const { return api_.empty() && sync_.empty(); }
  /// Threads: any.
  [[nodiscard]] http::Authenticated check(const http::Credentials& credentials) const;

 private:
  const std::vector<Secret> api_;
  const std::vector<Secret> sync_;
};

}  // namespace cairn::server
