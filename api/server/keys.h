// Which tokens open which routes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/principal.h"
#include "api/secret/secret.h"
#include "wal/mutex.h"

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
  /// From now on these count and the others do not, nor what they have signed. As many kinds as before: a server that
  /// asks somebody does not stop to ask, and the other way round. Threads: any.
  void replace(std::vector<Secret> api, std::vector<Secret> sync);
  /// Whether a request must prove anything: not if there is no token at all.
  [[nodiscard]] bool empty() const;
  /// Threads: any.
  [[nodiscard]] http::Authenticated check(const http::Credentials& credentials) const;
  /// A public token that says `claims`, signed with the first API key; empty: there is no API key. Threads: any.
  [[nodiscard]] std::string sign(std::string_view claims) const;

 private:
  struct Tokens {
    std::vector<Secret> api;
    std::vector<Secret> sync;
  };
  [[nodiscard]] std::shared_ptr<const Tokens> tokens() const;

  mutable Mutex mutex_{LockRank::kKeys};
  std::shared_ptr<const Tokens> tokens_ CAIRN_GUARDED_BY(mutex_);  // never null
  const std::string subject_;
  const std::function<int64_t()> now_s_;
};

}  // namespace cairn::server
