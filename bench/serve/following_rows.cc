// Rows about requests that the server holds until something changes.
#include <atomic>
#include <charconv>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "bench/client/load.h"
#include "bench/client/process_figures.h"
#include "bench/client/subscribers.h"
#include "bench/serve/bench_server.h"
#include "bench/serve/report.h"
#include "tools/measure/latency.h"

namespace cairn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kRuns = 16;
constexpr double kChangesPerS = 64;  // of each run
constexpr double kDeliveryMs = 250;
constexpr double kServerMb = 100;
constexpr size_t kWriters = 4;
constexpr double kPutsPerS = 200;
constexpr double kPutMs = 10;
constexpr double kNsOfMs = 1e6;
constexpr auto kLateMost = std::chrono::seconds(10);
constexpr auto kSettle = std::chrono::milliseconds(500);

std::string run_of(size_t index) { return "live-" + std::to_string(index); }

std::string set_n(uint64_t n) {
  return R"({"operations":[{"type":"set","key":"n","value":)" + std::to_string(n) + "}]}";
}

/// The metadata's "n" in the answer to a subscription.
uint64_t n_of(std::string_view body) {
  constexpr std::string_view kBegin = R"("metadata":"{\"n\":)";
  const size_t at = body.rfind(kBegin);
  uint64_t n = 0;
  if (at != std::string_view::npos) {
    std::from_chars(body.data() + at + kBegin.size(), body.data() + body.size(), n);
  }
  if (n == 0) {
    throw std::runtime_error("a subscription was answered without the metadata: " + std::string(body));
  }
  return n;
}

/// Which changes were sent when, and which subscriber has seen how many. Subscriber i follows run i % kRuns. A change
/// that comes joined with later ones was delivered with them.
class Deliveries {
 public:
  Deliveries(size_t subscribers, uint64_t changes_of_run)
      : sent_(kRuns * changes_of_run), changes_(changes_of_run), counts_(kRuns), seen_(subscribers) {}

  /// The number of the next change of a run; the time counts from here. Of one thread.
  uint64_t next(size_t run) {
    const uint64_t n = ++counts_[run];
    sent_.at(run * changes_ + n - 1) = Clock::now().time_since_epoch().count();
    return n;
  }
  void take(const Subscribers::Answer& answer) {
    const uint64_t n = n_of(answer.reply.body);
    const size_t run = answer.subscriber % kRuns;
    const std::lock_guard lock(mutex_);
    uint64_t& seen = seen_[answer.subscriber];
    for (; seen < n; ++seen) {
      latencies_.add(static_cast<uint64_t>(answer.at.time_since_epoch().count() - sent_.at(run * changes_ + seen)));
    }
    ++answers_;
  }
  [[nodiscard]] uint64_t missing() const {
    const std::lock_guard lock(mutex_);
    uint64_t out = 0;
    for (size_t i = 0; i < seen_.size(); ++i) {
      out += counts_[i % kRuns] - seen_[i];
    }
    return out;
  }
  [[nodiscard]] tools::Latencies latencies() const {
    const std::lock_guard lock(mutex_);
    return latencies_;
  }
  [[nodiscard]] uint64_t answers() const {
    const std::lock_guard lock(mutex_);
    return answers_;
  }

 private:
  std::vector<std::atomic<int64_t>> sent_;
  const uint64_t changes_;
  std::vector<uint64_t> counts_;  // of the thread that sends

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<uint64_t> seen_;
  tools::Latencies latencies_;
  uint64_t answers_ = 0;
};

void wait_for_all(const Deliveries& deliveries, const Subscribers& subscribers) {
  const auto begin = Clock::now();
  while (const uint64_t missing = deliveries.missing()) {
    subscribers.check();
    if (Clock::now() - begin > kLateMost) {
      throw std::runtime_error(std::to_string(missing) + " deliveries were lost: not there 10 s after the last change");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::vector<Row> deliver(Setting& setting) {
  const Scale& scale = setting.scale;
  raise_descriptors(scale.subscribers);
  const BenchServer server(setting, "deliver");
  std::vector<std::string> targets;
  for (size_t i = 0; i < kRuns; ++i) {
    start_run(server.endpoint(), run_of(i), {{"n", 0}, {"phase", "reading"}});
  }
  for (size_t i = 0; i < scale.subscribers; ++i) {
    targets.push_back("/realtime/v1/runs/" + run_of(i % kRuns));
  }
  const double per_s = kChangesPerS * static_cast<double>(kRuns);
  Deliveries deliveries(scale.subscribers, static_cast<uint64_t>(kChangesPerS * scale.following_seconds) + 2);
  Subscribers subscribers(server.endpoint(), targets, [&](const Subscribers::Answer& a) { deliveries.take(a); });
  subscribers.wait_held();
  std::this_thread::sleep_for(kSettle);
  Load load(server.address(), kRuns);
  const double cpu = server.cpu_seconds();
  const auto next = [&](size_t run) {
    return request_text("PUT", "/api/v1/runs/" + run_of(run) + "/metadata", server.address(),
                        set_n(deliveries.next(run)));
  };
  const Load::Figures puts = load.run({scale.following_seconds, per_s}, next);
  wait_for_all(deliveries, subscribers);
  const tools::Latencies ns = deliveries.latencies();
  const double p99 = static_cast<double>(ns.percentile(0.99)) / kNsOfMs;
  Row row;
  row.cpu_s = server.cpu_seconds() - cpu;
  row.peak_mb = server.peak_mb();
  row.what = "16 runs at 64 changes a second each, " + number_text(static_cast<double>(scale.subscribers)) +
             " subscribers spread over them: from the sending of a change until a subscriber has it or a later one";
  row.to_reach = "p99 < " + number_text(kDeliveryMs) + " ms, server < " + number_text(kServerMb) + " MB";
  row.met = p99 < kDeliveryMs && row.peak_mb < kServerMb;
  row.requests = puts.answers + deliveries.answers();
  row.result = "p50 " + number_text(static_cast<double>(ns.percentile(0.5)) / kNsOfMs) + ", p99 " + number_text(p99) +
               ", most " + number_text(static_cast<double>(ns.max()) / kNsOfMs) + " ms; " +
               number_text(static_cast<double>(ns.total())) + " deliveries in " +
               number_text(static_cast<double>(deliveries.answers())) + " answers; " + number_text(puts.per_second()) +
               " PUT/s, p99 " + number_text(percentile(puts.ms, 0.99)) + " ms";
  row.values = {{"deliveries", ns.total()},
                {"answers", deliveries.answers()},
                {"puts", puts.answers},
                {"puts_per_s", puts.per_second()},
                {"p50_ms", static_cast<double>(ns.percentile(0.5)) / kNsOfMs},
                {"p99_ms", p99},
                {"max_ms", static_cast<double>(ns.max()) / kNsOfMs},
                {"put_p99_ms", percentile(puts.ms, 0.99)}};
  return {row};
}

std::vector<Row> held(Setting& setting) {
  const Scale& scale = setting.scale;
  raise_descriptors(scale.held);
  const BenchServer server(setting, "held");
  start_run(server.endpoint(), "followed", {{"n", 0}}, {"held"});
  for (size_t i = 0; i < kWriters; ++i) {
    start_run(server.endpoint(), run_of(i), {{"n", 0}});
  }
  std::vector<std::string> targets(scale.held / 2, "/realtime/v1/runs/followed");
  targets.resize(scale.held, "/realtime/v1/runs?tags=held");
  Load load(server.address(), kWriters);
  Subscribers subscribers(server.endpoint(), targets);
  subscribers.wait_held();
  std::this_thread::sleep_for(kSettle);
  std::vector<uint64_t> counts(kWriters);
  const auto next = [&](size_t writer) {
    return request_text("PUT", "/api/v1/runs/" + run_of(writer) + "/metadata", server.address(),
                        set_n(++counts[writer]));
  };
  const double cpu = server.cpu_seconds();
  const Load::Figures puts = load.run({scale.following_seconds, kPutsPerS}, next);
  subscribers.check();
  Row row;
  row.cpu_s = server.cpu_seconds() - cpu;
  row.peak_mb = server.peak_mb();
  row.what = number_text(static_cast<double>(scale.held)) +
             " held requests, half on one run and half on its tag; beside them 200 PUT a second to 4 other runs";
  const double p99 = percentile(puts.ms, 0.99);
  row.to_reach = "PUT p99 < " + number_text(kPutMs) + " ms";
  row.met = p99 < kPutMs;
  row.requests = puts.answers;
  row.result = "p50 " + number_text(percentile(puts.ms, 0.5)) + ", p99 " + number_text(p99) + ", most " +
               number_text(percentile(puts.ms, 1)) + " ms, " + number_text(puts.per_second()) + "/s";
  row.values = {{"p50_ms", percentile(puts.ms, 0.5)},
                {"p99_ms", p99},
                {"max_ms", percentile(puts.ms, 1)},
                {"puts_per_s", puts.per_second()},
                {"renewed", subscribers.renewed()}};
  return {row};
}

}  // namespace

std::vector<Measure> following_measures() {
  return {
      {"deliver", "changes of 16 runs, to 1,000 subscribers", deliver},
      {"held", "PUTs beside 5,000 held requests", held},
  };
}

}  // namespace cairn::bench
