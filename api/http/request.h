// The request that a handler gets, and the response that it returns.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // HEAD is passed as GET; the listener sends the response without its body
  std::string path;    // begins with "/"; decoded once and checked, never to be decoded again
  std::string query;   // what follows "?", as it was sent
  std::string body;
  Headers headers;  // as sent, without Authorization

  /// The first header of this name, in any case; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// Each response gets Date, Content-Length, `X-Content-Type-Options: nosniff` and, unless it has a Cache-Control,
/// `Cache-Control: no-store`. A response that cannot be sent as it is (a line end in a header) becomes a 500.
struct Response {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  Headers headers;
};

/// Threads: called by several threads at once. If it throws, the client gets a 500 without the exception's text.
/// It must return: stop() waits for it.
using Handler = std::function<Response(const Request&)>;

}  // namespace cairn::http
