// Rows about workers whose stores send here.
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "bench/client/event_readers.h"
#include "bench/client/load.h"
#include "bench/client/process_figures.h"
#include "bench/serve/bench_server.h"
#include "bench/serve/report.h"
#include "bench/serve/worker_messages.h"

namespace cairn::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr size_t kDashboards = 20;
constexpr double kTimesMost = 1.5;
constexpr double kPollIntervalS = 5;
constexpr double kIdleShare = 0.05;  // of a core
constexpr auto kLateMost = std::chrono::seconds(10);
constexpr auto kSettle = std::chrono::milliseconds(300);

/// Workers, each on a connection of its own that stays.
class Workers {
 public:
  Workers(const BenchServer& server, size_t count) : server_(server), load_(server.address(), count) {
    for (size_t i = 0; i < count; ++i) {
      workers_.emplace_back(static_cast<uint32_t>(i));
    }
    load_.once(batch(), taken());
  }
  Load::Figures send_batches(double seconds) {
    return load_.run({seconds, static_cast<double>(workers_.size())}, batch(), taken());
  }
  void begin_to_follow() { load_.once(question(true), answered()); }
  Load::Figures poll(double seconds) {
    return load_.run({seconds, static_cast<double>(workers_.size()) / kPollIntervalS}, question(false), answered());
  }
  /// Of the last time that each asked.
  void ask_all() { load_.once(question(false), answered()); }
  [[nodiscard]] uint64_t told() const { return told_; }
  [[nodiscard]] const std::vector<Worker>& all() const { return workers_; }

 private:
  [[nodiscard]] std::string message(std::string_view bytes) const {
    return request_text("POST", "/v1/sync", server_.address(), bytes, "application/vnd.cairn.sync");
  }
  Load::Next batch() {
    return [this](size_t i) { return message(workers_[i].next_batch()); };
  }
  Load::Took taken() {
    return [this](size_t i, std::string_view body) { workers_[i].take_reply(body); };
  }
  Load::Next question(bool for_its_run) {
    return [this, for_its_run](size_t i) { return message(workers_[i].question(for_its_run)); };
  }
  Load::Took answered() {
    return [this](size_t i, std::string_view body) { told_ += workers_[i].take_documents(body) ? 1 : 0; };
  }

  const BenchServer& server_;
  Load load_;
  std::vector<Worker> workers_;
  uint64_t told_ = 0;
};

void wait_until_open(const EventReaders& readers) {
  const auto begin = Clock::now();
  while (!readers.are_open()) {
    if (Clock::now() - begin > kLateMost) {
      throw std::runtime_error("not all streams of events were begun within 10 s");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

/// Each stream has been told the last state of each run.
void expect_told(const BenchServer& server, const EventReaders& readers, const Workers& workers) {
  const Reply reply = expect_ok(ask(server.endpoint(), "GET", "/cairn/v1/runs?limit=1000&fields=head"));
  const Json runs = Json::parse(reply.body).at("runs");
  if (runs.size() != workers.all().size()) {
    throw std::runtime_error("the server has " + std::to_string(runs.size()) + " runs of the workers");
  }
  const auto begin = Clock::now();
  for (const Json& run : runs) {
    while (!readers.have(run.at("id").get<std::string>(), run.at("sequence").get<std::string>())) {
      if (Clock::now() - begin > kLateMost) {
        throw std::runtime_error("not all streams of events told the last state of " + run.at("id").get<std::string>());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
}

/// The times without, or those with, dashboards.
struct Side {
  std::vector<double> p50_ms, p99_ms;
  double cpu_s = 0;
  uint64_t batches = 0;

  void add(const Load::Figures& figures, double cpu) {
    p50_ms.push_back(percentile(figures.ms, 0.5));
    p99_ms.push_back(percentile(figures.ms, 0.99));
    cpu_s += cpu;
    batches += figures.answers;
  }
  [[nodiscard]] std::string text() const {
    return "p50 " + number_text(percentile(p50_ms, 0.5)) + ", p99 " + spread_text(p99_ms) + " ms, " +
           cpu_text(cpu_s, batches);
  }
  [[nodiscard]] Json values() const {
    return {{"p50_ms", p50_ms}, {"p99_ms", p99_ms}, {"cpu_s", cpu_s}, {"batches", batches}};
  }
};

std::vector<Row> workers(Setting& setting) {
  const Scale& scale = setting.scale;
  raise_descriptors(scale.workers);
  const BenchServer server(setting, "workers");
  Workers workers(server, scale.workers);
  Side without;
  Side with;
  uint64_t told = 0;
  for (int i = 0; i < 2 * scale.pairs; ++i) {
    std::unique_ptr<EventReaders> readers;
    if (i % 2 == 1) {
      readers = std::make_unique<EventReaders>(server.address(), kDashboards);
      wait_until_open(*readers);
    }
    std::this_thread::sleep_for(kSettle);
    const double cpu = server.cpu_seconds();
    // Each worker sends at least one.
    const Load::Figures figures = workers.send_batches(std::max(1.0, scale.following_seconds / scale.pairs));
    (readers ? with : without).add(figures, server.cpu_seconds() - cpu);
    if (readers) {
      expect_told(server, *readers, workers);
      told += readers->rows();
    }
  }
  const double times = percentile(with.p99_ms, 0.5) / percentile(without.p99_ms, 0.5);
  Row row;
  row.what =
      number_text(static_cast<double>(scale.workers)) +
      " workers send a batch of one run a second each; in turn without and with 20 streams of GET /cairn/v1/events";
  row.to_reach = "p99 <= " + number_text(kTimesMost) + "x";
  row.met = times <= kTimesMost;
  row.requests = without.batches + with.batches;
  row.cpu_s = without.cpu_s + with.cpu_s;
  row.peak_mb = server.peak_mb();
  row.result = "without " + without.text() + "; with " + with.text() + ": " + number_text(times) + "x; " +
               number_text(static_cast<double>(told)) + " rows told";
  row.values = {{"without", without.values()}, {"with", with.values()}, {"rows_told", told}, {"times", times}};
  return {row};
}

std::vector<Row> follow(Setting& setting) {
  raise_descriptors(setting.scale.workers);
  const BenchServer server(setting, "follow");
  Workers workers(server, setting.scale.workers);
  workers.begin_to_follow();
  const double seconds = setting.scale.idle_seconds;
  const double cpu = server.cpu_seconds();
  const Load::Figures polls = workers.poll(seconds);
  Row row;
  row.cpu_s = server.cpu_seconds() - cpu;
  if (workers.told() != 0) {
    throw std::runtime_error("workers were told of writes that nobody made");
  }
  for (const Worker& worker : workers.all()) {  // they do follow
    const std::string change = R"({"operations":[{"type":"set","key":"stop","value":true}]})";
    expect_ok(ask(server.endpoint(), "PUT", "/api/v1/runs/" + worker.run() + "/metadata", change));
  }
  workers.ask_all();
  if (workers.told() != workers.all().size()) {
    throw std::runtime_error("only " + std::to_string(workers.told()) + " workers were told of what others wrote");
  }
  const double share = row.cpu_s / polls.seconds;
  row.what = number_text(static_cast<double>(setting.scale.workers)) +
             " idle workers, each asks every 5 s what others wrote; CPU of the server over " + number_text(seconds) +
             " s";
  row.to_reach = "< " + number_text(kIdleShare * 100) + " % of a core";
  row.met = share < kIdleShare;
  row.requests = polls.answers;
  row.peak_mb = server.peak_mb();
  row.result = number_text(share * 100) + " %; p99 of a question " + number_text(percentile(polls.ms, 0.99)) + " ms";
  row.values = {{"share_of_a_core", share}, {"p99_ms", percentile(polls.ms, 0.99)}};
  return {row};
}

}  // namespace

std::vector<Measure> worker_measures() {
  return {
      {"workers", "a batch a second of 1,000 workers, without and with 20 streams of events", workers},
      {"follow", "1,000 idle workers that ask what others wrote", follow},
  };
}

}  // namespace cairn::bench
