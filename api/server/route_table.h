// Which handler answers which request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/service.h"
#include "api/server/keys.h"
#include "api/server/scopes.h"

namespace cairn::server {

struct Route;

/// A request on its way to its handler.
struct Call {
  http::Request request;
  std::vector<std::string> parameters;  // the segments that stand for the pattern's names, in its order
  http::Answer answer;
  const Route* route = nullptr;  // it lives as long as the table

  /// Whether the sender may do what was found to be asked for: a public token only if the route's scopes say so.
  [[nodiscard]] bool is_let_in(const About& what = {}) const;
};

struct Route {
  std::string method;  // "GET" takes HEAD too; empty: any
  // "/api/v1/runs/:id/metadata": a segment with a colon in front is a parameter, never empty. A last segment "*" stands
  // for any number of segments, none included.
  std::string pattern;
  bool open = false;    // anybody may call it, and is not asked who they are
  int roles = kApiKey;  // principals with one of these bits may call it
  // Public tokens that may call it, whatever `roles` says. Those with no scope at all are not let in by the table; those
  // with others by the handler, which knows what is asked for: Call::is_let_in().
  Scopes scopes = {};
  size_t body_bytes_max = 0;
  int64_t body_ms = 30'000;
  std::function<void(Call)> handler;
};

/// {"error": `text`} with this status.
http::Response error_response(unsigned status, std::string_view text);

/// Gives each request to its route: else 404, 405 with Allow, or 403 (of a public token 401) for a principal that may
/// not call it. A server that asks nobody who they are lets everybody call everything.
class RouteTable : public http::Service {
 public:
  /// The first route that fits is taken. `let_go`: what keeps answers gives them (http::Service::let_go).
  explicit RouteTable(std::vector<Route> routes, std::function<void()> let_go = {});

  /// In the order in which they are looked through.
  [[nodiscard]] std::vector<const Route*> routes() const;

  http::Admission admit(const http::Request& head) override;
  void serve(http::Request request, http::Answer answer) override;
  void let_go() noexcept override;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> segments;  // of the pattern
  };
  [[nodiscard]] const Entry* find(const http::Request& request) const;
  [[nodiscard]] std::string methods_of(const http::Request& request) const;

  std::vector<Entry> entries_;
  std::function<void()> let_go_;
};

}  // namespace cairn::server
