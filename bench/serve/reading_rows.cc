// Rows of requests that only read, over the data set.
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>

#include "bench/client/load.h"
#include "bench/client/process_figures.h"
#include "bench/serve/bench_server.h"
#include "bench/serve/data_set.h"
#include "bench/serve/report.h"

namespace cairn::bench {
namespace {

constexpr size_t kConnections = 16;
constexpr size_t kPage = 20;
constexpr std::string_view kRow = "{\"id\":\"run-";  // how a row of the data set begins
constexpr double kRetrievesPerS = 20'000;
constexpr double kPagesPerS = 2'000;
constexpr double kFilterMs = 150;
constexpr double kWarmShare = 0.2;  // of a repetition, before the first

size_t count_of(std::string_view body, std::string_view part) {
  size_t out = 0;
  for (size_t at = body.find(part); at != std::string_view::npos; at = body.find(part, at + part.size())) {
    ++out;
  }
  return out;
}

void expect(bool right, const char* wrong, std::string_view body) {
  if (!right) {
    throw std::runtime_error(std::string(wrong) + ": " + std::string(body));
  }
}

/// As fast as answers come.
Row rate_row(const Setting& setting, const BenchServer& server, Row row, double per_s, const Load::Next& next,
             const Load::Took& took) {
  const Scale& scale = setting.scale;
  Load load(server.address(), kConnections);
  load.run({scale.seconds * kWarmShare}, next, took);
  std::vector<double> rates;
  std::vector<double> ms;
  const double cpu = server.cpu_seconds();
  for (int i = 0; i < scale.repetitions; ++i) {
    const Load::Figures figures = load.run({scale.seconds}, next, took);
    rates.push_back(figures.per_second());
    ms.insert(ms.end(), figures.ms.begin(), figures.ms.end());
  }
  row.cpu_s = server.cpu_seconds() - cpu;
  row.peak_mb = server.peak_mb();
  row.requests = ms.size();
  row.to_reach = number_text(per_s) + "/s";
  row.met = percentile(rates, 0.5) >= per_s;
  row.result = spread_text(rates) + "/s; p50 " + number_text(percentile(ms, 0.5)) + ", p99 " +
               number_text(percentile(ms, 0.99)) + " ms; " + cpu_text(row.cpu_s, ms.size());
  row.values = {{"per_s", rates}, {"p50_ms", percentile(ms, 0.5)}, {"p99_ms", percentile(ms, 0.99)}};
  return row;
}

std::vector<Row> retrieve(Setting& setting) {
  make_data_set(setting);
  const BenchServer server(setting, kDataSet);
  std::vector<Row> out;
  for (const char* route : {"/cairn/v1/runs/", "/api/v3/runs/"}) {
    std::mt19937 random(static_cast<unsigned>(setting.seed));
    std::vector<std::string> asked(kConnections);
    const auto next = [&](size_t connection) {
      asked[connection] = run_id(random() % setting.scale.runs);
      return request_text("GET", route + asked[connection], server.address());
    };
    const auto took = [&](size_t connection, std::string_view body) {
      expect(body.find("\"id\":\"" + asked[connection] + "\"") != std::string_view::npos, "another run came", body);
    };
    Row row;
    row.what = "GET " + std::string(route) + "ID, any of all runs, 16 connections";
    out.push_back(rate_row(setting, server, std::move(row), kRetrievesPerS, next, took));
  }
  return out;
}

/// The request for the page behind the last one, from the first on.
class Pages {
 public:
  explicit Pages(const BenchServer& server) : server_(server), cursors_(kConnections) {}
  std::string next(size_t connection) {
    const std::string& cursor = cursors_[connection];
    const std::string target = "/cairn/v1/runs?limit=20" + (cursor.empty() ? "" : "&cursor=" + cursor);
    return request_text("GET", target, server_.address());
  }
  void took(size_t connection, std::string_view body) {
    expect(count_of(body, kRow) == kPage, "a page has not 20 runs", body);
    constexpr std::string_view kCursor = "\"next_cursor\":\"";
    const size_t at = body.find(kCursor);
    const std::string_view rest = at == std::string_view::npos ? "" : body.substr(at + kCursor.size());
    cursors_[connection] = rest.substr(0, rest.find('"'));
  }

 private:
  const BenchServer& server_;
  std::vector<std::string> cursors_;
};

std::vector<Row> list(Setting& setting) {
  make_data_set(setting);
  const BenchServer server(setting, kDataSet);
  const std::string runs = number_text(setting.scale.runs);
  std::vector<Row> out;
  for (const char* target : {"/cairn/v1/runs?limit=20", "/api/v1/runs?page%5Bsize%5D=20"}) {
    const auto next = [&](size_t) { return request_text("GET", target, server.address()); };
    const auto took = [&](size_t, std::string_view body) {
      expect(count_of(body, kRow) == kPage, "a page has not 20 runs", body);
    };
    Row row;
    row.what = "GET " + std::string(target) + ", the newest of " + runs + ", 16 connections";
    out.push_back(rate_row(setting, server, std::move(row), kPagesPerS, next, took));
  }
  Pages pages(server);
  Row row;
  row.what = "the same of /cairn/v1/runs, page after page by `cursor`";
  out.push_back(rate_row(
      setting, server, std::move(row), kPagesPerS, [&](size_t c) { return pages.next(c); },
      [&](size_t c, std::string_view body) { pages.took(c, body); }));
  return out;
}

std::vector<Row> filter(Setting& setting) {
  make_data_set(setting);
  const BenchServer server(setting, kDataSet);
  std::vector<Row> out;
  for (const bool none : {true, false}) {
    Load load(server.address(), 1);
    std::vector<double> ms;
    const uint32_t fit = none ? 0 : kRunsWithManyCents;
    const double cpu = server.cpu_seconds();
    for (size_t i = 0; i < setting.scale.filters; ++i) {
      // Another number each time, so that no answer can be remembered.
      const int64_t cents = (none ? 2 : 1) * kManyCents - static_cast<int64_t>(i) - 1;
      const std::string target = "/cairn/v1/runs?metadata=%24.usage.cost.cents%3E" + std::to_string(cents);
      const auto began = Load::Clock::now();
      load.once(
          [&](size_t) { return request_text("GET", target, server.address()); },
          [&](size_t, std::string_view body) { expect(count_of(body, kRow) == fit, "not the runs that fit", body); });
      ms.push_back(ms_between(began, Load::Clock::now()));
    }
    Row row;
    row.what = "GET /cairn/v1/runs?metadata=$.usage.cost.cents>N: " + std::to_string(fit) + " of " +
               number_text(setting.scale.runs) + " fit; one after the other";
    row.to_reach = "p99 < " + number_text(kFilterMs) + " ms";
    row.met = percentile(ms, 0.99) < kFilterMs;
    row.result = "p50 " + number_text(percentile(ms, 0.5)) + ", p99 " + number_text(percentile(ms, 0.99)) + " ms";
    row.requests = ms.size();
    row.cpu_s = server.cpu_seconds() - cpu;
    row.peak_mb = server.peak_mb();
    row.values = {{"p50_ms", percentile(ms, 0.5)}, {"p99_ms", percentile(ms, 0.99)}, {"runs_that_fit", fit}};
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

std::vector<Measure> reading_measures() {
  return {
      {"retrieve", "one run, by both routes", retrieve},
      {"list", "a page of 20 runs, by both routes, and page after page", list},
      {"filter", "a term on a nested key that few runs or none fit", filter},
  };
}

}  // namespace cairn::bench
