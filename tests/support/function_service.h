// An HTTP service of one function, which answers at once.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "api/http/server.h"
#include "api/secret/secret.h"

namespace cairn::tests {

using HttpHandler = std::function<http::Response(const http::Request&)>;

class FunctionService : public http::Service {
 public:
  explicit FunctionService(HttpHandler handler) : handler_(std::move(handler)) {}
  http::Admission admit(const http::Request& /*head*/) override { return admission; }
  void serve(http::Request request, http::Answer answer) override { answer.send(handler_(request)); }

  http::Admission admission = [] {
    http::Admission out;
    out.body_bytes_max = 8u << 20;
    return out;
  }();

 private:
  const HttpHandler handler_;
};

/// Whoever sends `token` passes, with the role 1.
inline http::Authenticator who_has(const std::string& token) {
  return [token](const http::Credentials& credentials) {
    http::Authenticated out;
    if (Secret::from_text(token).value().equals(credentials.bearer)) {
      out.principal.role = 1;
    } else {
      out.refusal = {401, credentials.has_authorization ? "a wrong token" : "a token is needed"};
      out.counts = credentials.has_authorization;
    }
    return out;
  };
}

}  // namespace cairn::tests
