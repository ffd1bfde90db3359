#include "api/metrics/http_metrics.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace cairn::metrics {

namespace {

// Any word may be a method: those that are none of these have one label.
std::string_view method_label(std::string_view method) {
  static constexpr std::array<std::string_view, 7> kMethods = {"GET",    "HEAD",    "POST", "PUT",
                                                               "DELETE", "OPTIONS", "PATCH"};
  const auto* const found = std::find(kMethods.begin(), kMethods.end(), method);
  return found == kMethods.end() ? "other" : *found;
}

}  // namespace

void HttpMetrics::count(const http::Ended& ended) {
  const std::string_view route = ended.route.empty() ? "none" : ended.route;
  const MutexLock lock(mutex_);
  auto at = routes_.find(route);
  if (at == routes_.end()) {
    at = routes_.try_emplace(std::string(route)).first;
  }
  ++at->second.requests[{std::string(method_label(ended.method)), ended.status}];
  at->second.seconds.add(static_cast<double>(ended.duration_us) / 1e6);
}

void HttpMetrics::collect(Families& to) const {
  prometheus::MetricFamily requests;
  requests.name = "cairn_http_requests_total";
  requests.help =
      "Requests that are over. route: the pattern, none where no route took it; code: 0 where the client went before a "
      "response.";
  requests.type = prometheus::MetricType::Counter;
  prometheus::MetricFamily seconds;
  seconds.name = "cairn_http_request_seconds";
  seconds.help = "From the whole head of a request to the end of its response; of realtime with the time it was held.";
  seconds.type = prometheus::MetricType::Histogram;
  {
    const MutexLock lock(mutex_);
    for (const auto& [route, of] : routes_) {
      for (const auto& [what, count] : of.requests) {
        add_counter(requests, static_cast<double>(count),
                    {{"route", route}, {"method", what.first}, {"code", std::to_string(what.second)}});
      }
      add_histogram(seconds, of.seconds, {{"route", route}});
    }
  }
  to.push_back(std::move(requests));
  to.push_back(std::move(seconds));
}

}  // namespace cairn::metrics
