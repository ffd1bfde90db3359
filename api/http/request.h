// The request that a service gets, and the response that it gives.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/principal.h"

namespace cairn::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // HEAD is passed as GET; the listener sends the response without its body
  std::string path;    // as it was sent, without the query
  // The parts of the path between its slashes, each decoded once: never to be decoded again. A slash that was sent as
  // %2F is part of a segment. None is "." or "..", none has control characters.
  std::vector<std::string> segments;
  std::string query;  // what follows "?", as it was sent
  std::string body;
  Headers headers;  // as sent, without Authorization and Cookie
  Principal principal;

  /// The first header of this name, in any case; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// Each response gets Date, Content-Length, `X-Content-Type-Options: nosniff` and, unless it has a Cache-Control,
/// `Cache-Control: no-store`. A response that cannot be sent as it is (a line end in a header) becomes a 500.
struct Response {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  std::shared_ptr<const std::string> shared_body;  // instead of `body`: one text for many responses
  Headers headers;

  [[nodiscard]] const std::string& text() const { return shared_body != nullptr ? *shared_body : body; }
};

}  // namespace cairn::http
