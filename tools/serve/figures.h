// GET /metrics of the server, if the command was built with it (CAIRN_METRICS); else nothing is counted, and there is no
// such route.
#pragma once

#include <vector>

#include "api/http/options.h"
#include "api/server/route_table.h"

#ifdef CAIRN_TOOLS_METRICS
#include "api/metrics/metrics.h"
#endif

namespace cairn::tools {

#ifdef CAIRN_TOOLS_METRICS

class Figures {
 public:
  Figures(engine::Store& store, const engine::sync::Receiver& receiver, bool open);
  void count(const http::Ended& ended) { metrics_.count(ended); }
  [[nodiscard]] std::vector<server::Route> routes() const { return {metrics_.route(open_)}; }
  template <class What>
  void watch(const What& what) {
    metrics_.watch(what);
  }
  void look() { metrics_.look(); }

 private:
  metrics::Metrics metrics_;
  const bool open_;
};

#else

class Figures {
 public:
  template <class... What>
  explicit Figures(What&&... /*what*/) {}
  void count(const http::Ended& /*ended*/) {}
  [[nodiscard]] std::vector<server::Route> routes() const { return {}; }
  template <class What>
  void watch(const What& /*what*/) {}
  void look() {}
};

#endif

}  // namespace cairn::tools
