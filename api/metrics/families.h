// Short ways to the structures of prometheus-cpp. Labels come from fixed sets only: no ids, no tags, no words of clients.
#pragma once

#include <prometheus/metric_family.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/server/histogram.h"

namespace cairn::metrics {

using Families = std::vector<prometheus::MetricFamily>;
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// A family without values. `name`: "cairn_runs".
prometheus::MetricFamily& add_family(Families& to, std::string_view name, std::string_view help,
                                     prometheus::MetricType type);
void add_gauge(prometheus::MetricFamily& to, double value, Labels labels = {});
void add_counter(prometheus::MetricFamily& to, double value, Labels labels = {});
void add_histogram(prometheus::MetricFamily& to, const server::Histogram& value, Labels labels = {});
/// Families of one value.
void add_gauge(Families& to, std::string_view name, std::string_view help, double value);
void add_counter(Families& to, std::string_view name, std::string_view help, double value);

}  // namespace cairn::metrics
