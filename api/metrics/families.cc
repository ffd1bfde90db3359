#include "api/metrics/families.h"

#include <limits>

namespace cairn::metrics {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric& add(MetricFamily& to, Labels labels) {
  ClientMetric& out = to.metric.emplace_back();
  for (const auto& [name, value] : labels) {
    out.label.push_back({std::string(name), std::string(value)});
  }
  return out;
}

}  // namespace

MetricFamily& add_family(Families& to, std::string_view name, std::string_view help, MetricType type) {
  MetricFamily& out = to.emplace_back();
  out.name = name;
  out.help = help;
  out.type = type;
  return out;
}

void add_gauge(MetricFamily& to, double value, Labels labels) { add(to, labels).gauge.value = value; }

void add_counter(MetricFamily& to, double value, Labels labels) { add(to, labels).counter.value = value; }

// The counts are read while others add: the sum of the buckets is the count, so that they fit each other.
void add_histogram(MetricFamily& to, const server::Histogram& value, Labels labels) {
  prometheus::ClientMetric::Histogram& out = add(to, labels).histogram;
  uint64_t count = 0;
  for (size_t i = 0; i <= value.bounds().size(); ++i) {
    count += value.count(i);
    const double bound = i < value.bounds().size() ? value.bounds()[i] : std::numeric_limits<double>::infinity();
    out.bucket.push_back({count, bound});
  }
  out.sample_count = count;
  out.sample_sum = value.sum();
}

void add_gauge(Families& to, std::string_view name, std::string_view help, double value) {
  add_gauge(add_family(to, name, help, MetricType::Gauge), value);
}

void add_counter(Families& to, std::string_view name, std::string_view help, double value) {
  add_counter(add_family(to, name, help, MetricType::Counter), value);
}

}  // namespace cairn::metrics
