// What a listener's requests came to, by route.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "api/http/options.h"
#include "api/metrics/families.h"
#include "api/server/histogram.h"
#include "wal/mutex.h"

namespace cairn::metrics {

/// Threads: any.
class HttpMetrics {
 public:
  /// For http::ServerOptions::on_end. Cost: well below a microsecond.
  void count(const http::Ended& ended);
  void collect(Families& to) const;

 private:
  struct OfRoute {
    std::map<std::pair<std::string, unsigned>, uint64_t> requests;  // by method and status
    server::Histogram seconds{server::kDurationBounds};
  };
  mutable Mutex mutex_{LockRank::kHttpMetrics};
  std::map<std::string, OfRoute, std::less<>> routes_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::metrics
