#include "bench/serve/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "bench/client/process_figures.h"

namespace cairn::bench {
namespace {

constexpr double kWhole = 100;  // from here on without decimals
constexpr size_t kThousand = 3;

std::string fixed(double value, int digits) {
  std::array<char, 64> text = {};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

}  // namespace

std::string number_text(double value) {
  if (std::abs(value) < kWhole) {
    return fixed(value, value < 10 ? 2 : 1);
  }
  std::string out = fixed(value, 0);
  for (size_t at = out.size(); at > kThousand; at -= kThousand) {
    out.insert(at - kThousand, ",");
  }
  return out;
}

std::string spread_text(const std::vector<double>& values) {
  return number_text(percentile(values, 0.5)) + " (" + number_text(percentile(values, 0)) + " to " +
         number_text(percentile(values, 1)) + ")";
}

std::string cpu_text(double cpu_s, size_t requests) {
  return number_text(cpu_s * 1e6 / static_cast<double>(std::max<size_t>(requests, 1))) + " us of CPU each";
}

std::string table_head() {
  return "| row | what | to reach | result | | requests | CPU s | peak MB |\n"
         "|---|---|---|---|---|--:|--:|--:|\n";
}

std::string table_line(const Row& row) {
  return "| " + row.name + " | " + row.what + " | " + (row.to_reach.empty() ? "-" : row.to_reach) + " | " + row.result +
         " | " +
         (!row.met   ? "-"
          : *row.met ? "met"
                     : "MISSED") +
         " | " + (row.requests == 0 ? "-" : number_text(static_cast<double>(row.requests))) + " | " +
         fixed(row.cpu_s, 2) + " | " + fixed(row.peak_mb, 1) + " |\n";
}

nlohmann::json json_of(const Row& row) {
  nlohmann::json out = {
      {"row", row.name},     {"what", row.what},         {"to_reach", row.to_reach},  {"result", row.result},
      {"met", nullptr},      {"requests", row.requests}, {"server_cpu_s", row.cpu_s}, {"server_peak_mb", row.peak_mb},
      {"values", row.values}};
  if (row.met) {
    out["met"] = *row.met;
  }
  return out;
}

}  // namespace cairn::bench
