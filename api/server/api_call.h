// What the handlers of runs share: a call with what its sender may do, and the answers that several of them give.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/server/api_options.h"
#include "api/server/public_token.h"
#include "api/server/route_table.h"
#include "api/server/run_storage.h"
#include "engine/json/value.h"

namespace cairn::server {

struct Api {
  RunStorage& storage;
  ApiOptions options;
  [[nodiscard]] int64_t now_us() const;
};

/// A request to a route of runs.
class ApiCall {
 public:
  explicit ApiCall(Call call);

  [[nodiscard]] const http::Request& request() const { return call_.request; }
  [[nodiscard]] const std::string& parameter(size_t index = 0) const { return call_.parameters.at(index); }
  /// As Call::is_let_in().
  [[nodiscard]] bool is_let_in(const About& what = {}) const {
    return !is_limited() || lets_in(call_.route->scopes, token_, call_.parameters, what);
  }
  /// Whether its sender may read the run, whatever the route is about.
  [[nodiscard]] bool may_read(const RunView& run) const;
  /// Whether its sender may trigger children of the run `parent`; empty: there is none.
  [[nodiscard]] bool may_be_parent(const std::string& parent) const;
  /// Makes the request count once, if its client gave it a key, or its token is good for one use.
  [[nodiscard]] RequestKey key() const;
  void answer(http::Response response) { call_.answer.send(std::move(response)); }

 private:
  [[nodiscard]] bool is_limited() const { return call_.request.principal.role == kPublicToken; }

  Call call_;
  PublicToken token_;  // of a public token; else one that says nothing
};

using Handler = std::function<http::Response(const Api& api, const ApiCall& call)>;

/// `scopes`: of public tokens that may call it; an API key always may.
Route api_route(std::shared_ptr<const Api> api, std::string method, std::string pattern, Scopes scopes,
                size_t body_bytes_max, Handler handler);
/// Of routes that need no body: a client may send one, and nobody reads it.
inline constexpr size_t kUnreadBodyBytesMax = 64u << 10;
/// Room for a payload of kPayloadBytesMax with each byte escaped, and for metadata.
inline constexpr size_t kTriggerBodyBytesMax = 4u << 20;

// --- answers ---

http::Response json_response(unsigned status, engine::Object body);
/// A client repeats a request that failed with 408, 409, 429 or 5xx unless this says otherwise, and no other.
http::Response with_retry(http::Response response, bool again);
/// What a call on this thread said when it failed.
std::string message_of(Status failed);
/// 503: trouble of the storage that passes.
http::Response unavailable(Status trouble);
/// 403
http::Response not_allowed();
/// The storage did nothing. What a route words in its own way it handles before.
http::Response refused_response(Refused refused, const std::string& reason, size_t bytes_max);
/// 404
http::Response run_not_found();

/// The token that opens what was just made, and what it says, as headers.
void add_token_headers(const Api& api, const std::string& scope, http::Response& response);

}  // namespace cairn::server
