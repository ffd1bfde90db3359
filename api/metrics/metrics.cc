#include "api/metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/store/upstream.h"

namespace cairn::metrics {

namespace {

using engine::OperationType;
using engine::Reason;
using prometheus::MetricType;

constexpr std::array<std::pair<OperationType, const char*>, engine::kOperationTypes> kOperations = {
    {{OperationType::kSet, "set"},
     {OperationType::kDelete, "delete"},
     {OperationType::kAppend, "append"},
     {OperationType::kRemove, "remove"},
     {OperationType::kIncrement, "increment"},
     {OperationType::kReplace, "update"}}};

constexpr std::array<std::pair<Reason, const char*>, engine::kReasons - 1> kUnappliedReasons = {
    {{Reason::kMissingKey, "missing_key"},
     {Reason::kNotAnArray, "not_an_array"},
     {Reason::kMissingParent, "missing_parent"},
     {Reason::kNotAContainer, "not_a_container"},
     {Reason::kNoSuchIndex, "no_such_index"},
     {Reason::kEmptyPath, "empty_path"},
     {Reason::kNoMatch, "no_match"},
     {Reason::kOverflow, "overflow"}}};

double number(uint64_t value) { return static_cast<double>(value); }

}  // namespace

void Metrics::add_store(Families& to) const {
  const engine::StoreStats stats = store_.stats();
  auto& runs = add_family(to, "cairn_runs", "Runs of the store by status.", MetricType::Gauge);
  for (size_t i = 0; i < engine::kRunStatuses; ++i) {
    add_gauge(runs, number(stats.runs.at(i)), {{"status", engine::status_name(static_cast<engine::RunStatus>(i))}});
  }
  auto& bytes = add_family(to, "cairn_store_bytes", "Bytes on the disk.", MetricType::Gauge);
  add_gauge(bytes, number(stats.wal_bytes), {{"part", "log"}});
  add_gauge(bytes, number(stats.tables_bytes), {{"part", "tables"}});
  add_gauge(bytes, number(stats.staging_bytes), {{"part", "staging"}});
  add_gauge(bytes, number(stats.reserve_bytes), {{"part", "reserve"}});
  add_gauge(to, "cairn_durable_lag_seconds", "What a power cut would lose of acknowledged updates now.",
            lag_.seconds(store_, store_.monotonic_ms()));
  add_counter(to, "cairn_flush_total", "Flushes of updates to the disk.", number(stats.flushes));
  auto& checkpoints =
      add_family(to, "cairn_checkpoint_seconds", "Folds of the log into the tables.", MetricType::Summary);
  prometheus::ClientMetric& checkpoint = checkpoints.metric.emplace_back();
  checkpoint.summary.sample_count = stats.checkpoints;
  checkpoint.summary.sample_sum = number(stats.checkpoint_us) / 1e6;
  add_gauge(to, "cairn_latched", "1: a write failed, and nothing is taken before the store is opened again.",
            store_.takes_updates().code == Code::kLatched ? 1 : 0);
}

void Metrics::add_routes(Families& to) const {
  if (const server::StoreService* service = service_; service != nullptr) {
    auto& updates = add_family(to, "cairn_run_updates_total", "Operations on metadata by routes.", MetricType::Counter);
    for (const auto& [type, name] : kOperations) {
      add_counter(updates, number(service->runs().operations(type)), {{"op", name}});
    }
    auto& unapplied = add_family(to, "cairn_unapplied_operations_total",
                                 "Of those, the ones that did not apply to what was there.", MetricType::Counter);
    for (const auto& [reason, name] : kUnappliedReasons) {
      add_counter(unapplied, number(service->runs().unapplied(reason)), {{"reason", name}});
    }
    add_counter(to, "cairn_realtime_rows_total", "Rows of runs that were sent to who waited for them.",
                number(service->subscriptions().counters().rows));
    add_histogram(add_family(to, "cairn_realtime_delay_seconds", "From a change to the answer that tells it.",
                             MetricType::Histogram),
                  service->subscriptions().delays());
  }
  if (const http::Server* server = server_; server != nullptr) {
    const http::Counters counters = server->counters();
    add_gauge(to, "cairn_http_connections", "Open connections.", number(counters.connections));
    add_gauge(to, "cairn_http_held_requests", "Requests that wait for a change.", number(counters.kept));
    auto& closed =
        add_family(to, "cairn_http_closed_connections_total",
                   "Connections that were turned away, closed for others, or too slow.", MetricType::Counter);
    add_counter(closed, number(counters.turned_away), {{"reason", "turned_away"}});
    add_counter(closed, number(counters.made_room), {{"reason", "made_room"}});
    add_counter(closed, number(counters.timed_out), {{"reason", "timed_out"}});
  }
}

void Metrics::add_sync(Families& to) const {
  engine::Upstream::State state;
  if (!store_.upstream().state(state).ok()) {
    return;
  }
  add_gauge(to, "cairn_sync_waiting_runs", "Runs with something that the upstream does not have.",
            number(state.waiting.runs));
  const engine::Hooks& hooks = store_.options().hooks;
  const int64_t oldest_us = state.waiting.oldest_us;
  add_gauge(
      to, "cairn_sync_oldest_seconds", "So long the oldest of it has waited.",
      oldest_us == 0 ? 0 : static_cast<double>(std::max<int64_t>(hooks.wall_us(hooks.context) - oldest_us, 0)) / 1e6);
  add_gauge(to, "cairn_sync_failures", "Tries that failed since the upstream answered last.", number(state.failures));
  add_gauge(to, "cairn_dead_letters", "Runs whose changes the upstream refused: somebody has to decide.",
            number(state.waiting.held));
  const engine::sync::Receiver::Counters received = receiver_.counters();
  auto& batches =
      add_family(to, "cairn_sync_batches_total",
                 "Batches: acknowledged by the upstream since it was attached, or of other stores since the "
                 "server began: taken, come again, or not.",
                 MetricType::Counter);
  add_counter(batches, number(state.sender.batches), {{"result", "acknowledged"}});
  add_counter(batches, number(received.batches), {{"result", "taken"}});
  add_counter(batches, number(received.duplicates), {{"result", "duplicate"}});
  add_counter(batches, number(received.refused + received.gaps + received.forks + received.rewinds),
              {{"result", "refused"}});
}

Families Metrics::Collect() const {
  Families out;
  add_store(out);
  add_routes(out);
  add_sync(out);
  http_.collect(out);
  add_gauge(add_family(out, "cairn_build_info", "1.", MetricType::Gauge), 1, {{"version", version_}});
  return out;
}

server::Route Metrics::route(bool open) const {
  server::Route out;
  out.method = "GET";
  out.pattern = "/metrics";
  out.open = open;
  out.handler = [this](server::Call call) {
    http::Response response;
    response.content_type = "text/plain; version=0.0.4";
    response.body = prometheus::TextSerializer().Serialize(Collect());
    call.answer.send(std::move(response));
  };
  return out;
}

}  // namespace cairn::metrics
