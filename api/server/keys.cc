#include "api/server/keys.h"

#include <string_view>

namespace cairn::server {

namespace {

// All are compared, so that the time does not tell which one it was.
bool has(const std::vector<Secret>& tokens, std::string_view bearer) {
  bool found = false;
  for (const Secret& token : tokens) {
    found = token.equals(bearer) || found;
  }
  return found;
}

}  // namespace

http::Authenticated Keys::check(const http::Credentials& credentials) const {
  http::Authenticated out;
  out.principal.role =
      (has(api_, credentials.bearer) ? kApiKey : 0) | (has(sync_, credentials.bearer) ? kSyncToken : 0);
  if (out.principal.role == 0) {
    out.refusal = {401, credentials.has_authorization ? "Invalid API key" : "Invalid or Missing API key"};
    out.counts = credentials.has_authorization;
  }
  return out;
}

}  // namespace cairn::server
