// An increment of a run's metadata, beside the same in Node with SQLite.
#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>

#include "bench/client/load.h"
#include "bench/client/process_figures.h"
#include "bench/serve/bench_server.h"
#include "bench/serve/report.h"

namespace cairn::bench {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostConnections = 64;
constexpr size_t kConnections[] = {1, 16, kMostConnections};
constexpr double kTimesAtOne = 1;
constexpr double kTimesAtMore = 3;
constexpr double kWarmShare = 0.2;  // of a repetition, before each
constexpr const char* kIncrement = R"({"operations":[{"type":"increment","key":"n","value":1}]})";

std::string run_of(size_t connection) { return "put-" + std::to_string(connection); }

/// One of those that are compared. Each connection changes a run of its own.
struct Contender {
  std::string name;
  Endpoint endpoint;
  pid_t pid = 0;
  std::string method;
  std::string path_end;  // behind the id
  std::string path_begin;
  std::vector<uint64_t> acknowledged = std::vector<uint64_t>(kMostConnections, 0);

  void start_runs() const {
    for (size_t i = 0; i < kMostConnections; ++i) {
      start_run(
          endpoint, run_of(i),
          {{"n", 0}, {"progress", 0.42}, {"phase", "reading"}, {"user", {{"id", "user_1234"}, {"name", "Eric"}}}});
    }
  }
  [[nodiscard]] std::string request(size_t connection) const {
    return request_text(method, path_begin + run_of(connection) + path_end, endpoint.address, kIncrement);
  }
  /// Every increment that was acknowledged counts once.
  void check() const {
    for (size_t i = 0; i < kMostConnections; ++i) {
      const Reply reply = expect_ok(ask(endpoint, "GET", "/api/v1/runs/" + run_of(i) + "/metadata"));
      const uint64_t n = Json::parse(reply.body).at("metadata").at("n").get<uint64_t>();
      if (n != acknowledged[i]) {
        throw std::runtime_error(name + " acknowledged " + std::to_string(acknowledged[i]) + " increments and has " +
                                 std::to_string(n));
      }
    }
  }
};

struct Case {
  Contender* contender = nullptr;
  size_t connections = 0;
  std::vector<double> rates;
  std::vector<double> ms;
  double cpu_s = 0;

  void measure(double seconds) {
    Contender& c = *contender;
    Load load(c.endpoint.address, connections);
    const auto next = [&](size_t connection) { return c.request(connection); };
    const auto took = [&](size_t connection, std::string_view) { ++c.acknowledged[connection]; };
    load.run({seconds * kWarmShare}, next, took);
    const double cpu = cpu_seconds_of(c.pid);
    const Load::Figures figures = load.run({seconds}, next, took);
    cpu_s += cpu_seconds_of(c.pid) - cpu;
    rates.push_back(figures.per_second());
    ms.insert(ms.end(), figures.ms.begin(), figures.ms.end());
  }
  [[nodiscard]] double rate() const { return percentile(rates, 0.5); }
  [[nodiscard]] std::string text() const {
    return spread_text(rates) + "/s, p99 " + number_text(percentile(ms, 0.99)) + " ms, " + cpu_text(cpu_s, ms.size());
  }
  [[nodiscard]] Json values() const {
    return {{"per_s", rates}, {"p99_ms", percentile(ms, 0.99)}, {"requests", ms.size()}, {"cpu_s", cpu_s}};
  }
};

Row row_of(const Case& cairn, const Case* node, bool is_judged) {
  Row row;
  row.what = cairn.contender->name + ", " + std::to_string(cairn.connections) + " connection" +
             (cairn.connections == 1 ? "" : "s");
  row.result = cairn.text();
  row.requests = cairn.ms.size();
  row.cpu_s = cairn.cpu_s;
  row.peak_mb = memory_of(cairn.contender->pid).peak_mb;
  row.values = {{"connections", cairn.connections}, {"cairn", cairn.values()}};
  if (node != nullptr) {
    const double times = cairn.rate() / node->rate();
    row.result += "; " + node->contender->name + ": " + node->text() + ": " + number_text(times) + "x";
    row.values["node"] = node->values();
    row.values["node"]["peak_mb"] = memory_of(node->contender->pid).peak_mb;
    row.values["times"] = times;
    if (is_judged) {
      const double wanted = cairn.connections == 1 ? kTimesAtOne : kTimesAtMore;
      row.to_reach = cairn.connections == 1 ? "no slower" : number_text(wanted) + "x";
      row.met = times >= wanted;
    }
  }
  return row;
}

std::vector<Row> compare(Setting& setting, bool survives_power_loss) {
  const BenchServer server(setting, survives_power_loss ? "put-power" : "put");
  std::vector<Contender> contenders;
  Contender cairn;
  cairn.name = survives_power_loss ? "class power (POST /cairn/v1/runs/ID/operations)"
                                   : "class process (PUT /api/v1/runs/ID/metadata)";
  cairn.endpoint.address = server.address();
  cairn.pid = server.pid();
  cairn.method = survives_power_loss ? "POST" : "PUT";
  cairn.path_begin = survives_power_loss ? "/cairn/v1/runs/" : "/api/v1/runs/";
  cairn.path_end = survives_power_loss ? "/operations" : "/metadata";
  contenders.push_back(std::move(cairn));
  std::unique_ptr<ChildServer> node;
  if (setting.without_node.empty()) {
    const std::string synchronous = survives_power_loss ? "FULL" : "NORMAL";
    node = std::make_unique<ChildServer>(
        std::vector<std::string>{"node", CAIRN_BENCH_NODE_SERVER, "--modules", setting.node_modules, "--file",
                                 setting.directory + "/" + synchronous + ".sqlite", "--synchronous", synchronous});
    Contender other;
    other.name = "Node, SQLite " + synchronous;
    other.endpoint.address = node->address();
    other.pid = node->pid();
    other.method = "PUT";
    other.path_begin = "/api/v1/runs/";
    other.path_end = "/metadata";
    contenders.push_back(std::move(other));
  }
  std::vector<Case> cases;
  for (Contender& contender : contenders) {
    contender.start_runs();
    for (const size_t connections : kConnections) {
      cases.emplace_back().contender = &contender;
      cases.back().connections = connections;
    }
  }
  std::vector<size_t> order(cases.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::mt19937_64 random(setting.seed);
  for (int i = 0; i < setting.scale.repetitions; ++i) {
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t which : order) {
      cases[which].measure(setting.scale.seconds / 2);
    }
  }
  for (const Contender& contender : contenders) {
    contender.check();
  }
  std::vector<Row> out;
  const size_t count = std::size(kConnections);
  for (size_t i = 0; i < count; ++i) {
    out.push_back(row_of(cases[i], node ? &cases[count + i] : nullptr, !survives_power_loss));
    if (!node) {
      out.back().result += "; not beside Node: " + setting.without_node;
    }
  }
  return out;
}

}  // namespace

std::vector<Measure> put_measures() {
  return {
      {"put", "an increment, class process, beside Node with SQLite NORMAL",
       [](Setting& s) { return compare(s, false); }},
      {"put-power", "an increment, class power, beside Node with SQLite FULL",
       [](Setting& s) { return compare(s, true); }},
  };
}

}  // namespace cairn::bench
