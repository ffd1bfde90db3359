// GET /metrics: what a server of one store counts, as Prometheus reads it. Names and labels: api/server/GUIDE.md.
#pragma once

#include <prometheus/collectable.h>

#include <atomic>
#include <string>
#include <vector>

#include "api/http/server.h"
#include "api/metrics/durable_lag.h"
#include "api/metrics/http_metrics.h"
#include "api/server/route_table.h"
#include "api/server/store_service.h"
#include "engine/store/store.h"
#include "engine/sync/receiver.h"

namespace cairn::metrics {

/// Threads: any.
class Metrics final : public prometheus::Collectable {
 public:
  /// `store` and `receiver` must live longer. The store was opened with StoreOptions::count_runs.
  Metrics(engine::Store& store, const engine::sync::Receiver& receiver, std::string version)
      : store_(store), receiver_(receiver), version_(std::move(version)) {}

  /// For http::ServerOptions::on_end.
  void count(const http::Ended& ended) { http_.count(ended); }
  /// Before them what they count is not told. Both must live as long as routes are served.
  void watch(const server::StoreService& service) { service_ = &service; }
  void watch(const http::Server& server) { server_ = &server; }
  /// To be called a few times a second (DurableLag).
  void look() { lag_.look(store_, store_.monotonic_ms()); }

  /// `open`: nobody has to prove anything for it. This must live as long as the route.
  [[nodiscard]] server::Route route(bool open) const;

  [[nodiscard]] Families Collect() const override;

 private:
  void add_store(Families& to) const;
  void add_routes(Families& to) const;
  void add_sync(Families& to) const;

  engine::Store& store_;
  const engine::sync::Receiver& receiver_;
  const std::string version_;
  HttpMetrics http_;
  mutable DurableLag lag_;
  std::atomic<const server::StoreService*> service_{nullptr};
  std::atomic<const http::Server*> server_{nullptr};
};

}  // namespace cairn::metrics
