#include "bench/compare/report.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <sstream>
#include <vector>

#include "bench/compare/engine.h"

namespace cairn::bench {
namespace {

using Json = nlohmann::json;

std::string rate(double v) {
  std::ostringstream out;
  if (v >= 1e6) {
    out << std::fixed << std::setprecision(v >= 1e8 ? 0 : v >= 1e7 ? 1 : 2) << v / 1e6 << "M";
  } else if (v >= 1e4) {
    out << std::fixed << std::setprecision(0) << v / 1e3 << "k";
  } else {
    out << std::fixed << std::setprecision(v >= 1e3 ? 0 : 1) << v;
  }
  return out.str();
}

std::string time_of(double ns) {
  std::ostringstream out;
  out << std::fixed;
  if (ns < 1e3) {
    out << std::setprecision(0) << ns << " ns";
  } else if (ns < 1e6) {
    out << std::setprecision(ns < 1e4 ? 1 : 0) << ns / 1e3 << " us";
  } else {
    out << std::setprecision(ns < 1e7 ? 1 : 0) << ns / 1e6 << " ms";
  }
  return out.str();
}

std::string number(const Json& v, int digits) {
  if (!v.is_number()) {
    return "-";
  }
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << v.get<double>();
  return out.str();
}

std::string bytes_per_update(const Json& v) {
  return v.is_number() ? number(v, v.get<double>() < 0.1 ? 4 : v.get<double>() < 10 ? 2 : 0) : "-";
}

double updates_of(const Json& c) { return c["median"]["updates_per_second"].get<double>(); }

}  // namespace

nlohmann::json summary(const std::vector<nlohmann::json>& repetitions) {
  Json result = {{"median", Json::object()}, {"lowest", Json::object()}, {"highest", Json::object()}};
  for (const auto& [name, unused] : repetitions.front().items()) {
    std::vector<double> values;
    for (const Json& r : repetitions) {
      if (r[name].is_number()) {
        values.push_back(r[name].get<double>());
      }
    }
    if (values.empty()) {
      continue;
    }
    std::sort(values.begin(), values.end());
    result["median"][name] = values[values.size() / 2];
    result["lowest"][name] = values.front();
    result["highest"][name] = values.back();
  }
  return result;
}

std::string tables(const nlohmann::json& results) {
  std::ostringstream out;
  out << "Machine: " << results["machine"].get<std::string>() << ".\n\n";
  out << "Engines: ";
  for (const Json& v : results["versions"]) {
    out << v.get<std::string>() << "; ";
  }
  out << "seed " << results["seed"] << ", " << results["repetitions"] << " repetitions of " << results["seconds"]
      << " s, order shuffled in each. A stamp costs " << number(results["stamp_ns"], 0)
      << " ns, which is part of each latency.\n";
  for (const Json& w : results["workloads"]) {
    std::vector<Json> cases;
    for (const Json& c : results["cases"]) {
      if (c["workload"] == w["name"]) {
        cases.push_back(c);
      }
    }
    if (cases.empty()) {
      continue;
    }
    std::sort(cases.begin(), cases.end(), [](const Json& a, const Json& b) { return updates_of(a) > updates_of(b); });
    out << "\n### " << w["name"].get<std::string>() << ": " << w["title"].get<std::string>() << "\n\n";
    out << "| engine | updates/s | lowest to highest | p50 | p99 | p99.9 | max | device bytes per update | CPU ns per "
           "update | peak RSS MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    double cairn = 0;
    double peer = 0;
    std::string peer_name;
    for (const Json& c : cases) {
      const Json& m = c["median"];
      out << "| " << c["contender"].get<std::string>() << " | " << rate(updates_of(c)) << " | "
          << rate(c["lowest"]["updates_per_second"]) << " to " << rate(c["highest"]["updates_per_second"]) << " | "
          << time_of(m["p50_ns"]) << " | " << time_of(m["p99_ns"]) << " | " << time_of(m["p999_ns"]) << " | "
          << time_of(m["max_ns"]) << " | " << bytes_per_update(m.value("device_bytes_per_update", Json())) << " | "
          << number(m.value("cpu_ns_per_update", Json()), 0) << " | "
          << number(m["rss_bytes_max"].get<double>() / (1 << 20), 0) << " |\n";
      if (c["is_cairn"].get<bool>()) {
        cairn = std::max(cairn, updates_of(c));
      } else if (c["survives"] != "nothing" && updates_of(c) > peer) {
        peer = updates_of(c);
        peer_name = c["contender"].get<std::string>();
      }
    }
    if (cairn > 0 && peer > 0) {
      out << "\nTo the fastest peer that survives as much (" << peer_name << "):";
      for (const Json& c : cases) {
        if (c["is_cairn"].get<bool>()) {
          out << " " << c["contender"].get<std::string>() << " " << number(updates_of(c) / peer, 2) << "x;";
        }
      }
      out << "\n";
    }
  }
  if (results.contains("process_proofs")) {
    out << "\n### Killed with SIGKILL\n\n| engine | rounds | updates acknowledged | rounds that lost one "
           "|\n|---|--:|--:|--:|\n";
    for (const Json& p : results["process_proofs"]) {
      out << "| " << p["contender"].get<std::string>() << " | " << p["rounds"] << " | " << p["acknowledged"] << " | "
          << p["lost"] << (p["survives"] == "nothing" ? " (expected: memory only)" : "") << " |\n";
    }
  }
  if (results.contains("power_proofs")) {
    out << "\n### Syncs counted under each engine\n\n| engine | updates acknowledged | without a sync of their own | "
           "syncs per update, 1 thread | 4 threads |\n|---|--:|--:|--:|--:|\n";
    for (const Json& p : results["power_proofs"]) {
      out << "| " << p["contender"].get<std::string>() << " | " << p.value("acknowledged", Json()) << " | "
          << p.value("unsynced", Json()) << " | " << number(p.value("syncs_per_update_1_thread", Json()), 2) << " | "
          << number(p.value("syncs_per_update_4_threads", Json()), 2) << " |\n";
    }
  }
  out << "\n### Settings\n\n| engine | survives | settings |\n|---|---|---|\n";
  for (const Json& c : results["contenders"]) {
    out << "| " << c["name"].get<std::string>() << " | " << c["survives"].get<std::string>() << " | "
        << c["settings"].get<std::string>() << " |\n";
  }
  return out.str();
}

void write_report(const nlohmann::json& results, const std::string& directory) {
  std::filesystem::create_directories(directory);
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream out(directory + "/" + name, std::ios::binary);
    out << text;
    if (!out.flush()) {
      give_up("cannot write " + directory + "/" + name);
    }
  };
  write("results.json", results.dump(2) + "\n");
  write("tables.md", tables(results));
  for (const Json& w : results["workloads"]) {
    std::vector<std::pair<double, std::string>> bars;
    for (const Json& c : results["cases"]) {
      if (c["workload"] == w["name"]) {
        bars.emplace_back(updates_of(c), c["contender"].get<std::string>());
      }
    }
    std::sort(bars.rbegin(), bars.rend());
    std::ostringstream out;
    out << "# " << w["title"].get<std::string>() << "\n";
    for (const auto& [updates, name] : bars) {
      out << '"' << name << "\" " << std::fixed << std::setprecision(0) << updates << "\n";
    }
    if (!bars.empty()) {
      write(w["name"].get<std::string>() + ".dat", out.str());
    }
  }
}

}  // namespace cairn::bench
