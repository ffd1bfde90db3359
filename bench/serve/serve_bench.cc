// Measures `cairn serve` against what it is to reach, and beside Node with SQLite. bench/serve.sh runs it.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "bench/client/directory.h"
#include "bench/client/ending.h"
#include "bench/serve/measures.h"
#include "bench/serve/report.h"
#include "tools/measure/device.h"

namespace cairn::bench {

Scale quick_scale() {
  Scale out;
  out.runs = 5000;
  out.repetitions = 1;
  out.seconds = 0.4;
  out.filters = 10;
  out.subscribers = 200;
  out.held = 500;
  out.workers = 200;
  out.following_seconds = 1;
  out.idle_seconds = 5;
  out.pairs = 1;
  return out;
}

namespace {

struct Arguments {
  std::vector<std::string> only;
  std::string directory = std::filesystem::temp_directory_path();
  bool is_quick = false;
  bool as_json = false;
  bool lists = false;
};

std::vector<Measure> all_measures() {
  std::vector<Measure> out;
  for (const auto& some : {reading_measures(), put_measures(), following_measures(), worker_measures()}) {
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

/// Throws std::runtime_error: a name that no measure has.
std::vector<Measure> wanted_measures(const std::vector<std::string>& only) {
  std::vector<Measure> all = all_measures();
  if (only.empty()) {
    return all;
  }
  for (const std::string& name : only) {
    if (std::none_of(all.begin(), all.end(), [&](const Measure& m) { return name == m.name; })) {
      throw std::runtime_error("there is no row '" + name + "'; --list shows those that are");
    }
  }
  std::erase_if(all, [&](const Measure& m) { return std::find(only.begin(), only.end(), m.name) == only.end(); });
  return all;
}

int measure(const Arguments& a, Setting& setting) {
  const std::vector<Measure> measures = wanted_measures(a.only);
  const Directory directory(std::filesystem::absolute(a.directory));
  end_cleanly_on_signals(directory.path());
  setting.directory = directory.path();
  setting.is_quick = a.is_quick;
  setting.scale = a.is_quick ? quick_scale() : Scale();
  const std::string machine = tools::describe_machine(directory.path());
  nlohmann::json rows = nlohmann::json::array();
  if (!a.as_json) {
    std::cout << machine << ". Server and client share the cores; seed " << setting.seed << ".\n\n"
              << table_head() << std::flush;
  }
  for (const Measure& m : measures) {
    setting.measure = m.name;
    try {
      for (Row& row : m.run(setting)) {
        row.name = m.name;
        if (setting.is_quick) {
          row.met.reset();
        }
        if (!a.as_json) {
          std::cout << table_line(row) << std::flush;
        }
        rows.push_back(json_of(row));
      }
    } catch (const std::exception& e) {
      throw std::runtime_error(std::string(m.name) + ": " + e.what());
    }
  }
  if (a.as_json) {
    std::cout
        << nlohmann::json{{"machine", machine}, {"seed", setting.seed}, {"quick", a.is_quick}, {"rows", rows}}.dump(2)
        << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  CLI::App app("Measures `cairn serve`; bench/serve.sh prepares what is needed, and says what each row is.");
  cairn::bench::Arguments a;
  cairn::bench::Setting setting;
  app.add_option("--only", a.only, "these rows")->delimiter(',');
  app.add_option("--dir", a.directory, "where the stores stand; made if absent");
  app.add_option("--seed", setting.seed, "of the data and the order of repetitions");
  app.add_option("--node-modules", setting.node_modules, "a directory where node finds better-sqlite3");
  app.add_option("--without-node", setting.without_node, "there is none: why");
  app.add_option("--profile", setting.profiled, "perf looks at the server of this row");
  app.add_option("--profile-file", setting.profile, "where perf writes");
  app.add_flag("--quick", a.is_quick, "a small form of each row, which says nothing about what is reached");
  app.add_flag("--json", a.as_json, "one JSON object, with all figures");
  app.add_flag("--list", a.lists, "the rows, and nothing else");
  CLI11_PARSE(app, argc, argv);
  if (a.lists) {
    for (const cairn::bench::Measure& m : cairn::bench::all_measures()) {
      std::printf("%-10s %s\n", m.name, m.what);
    }
    return 0;
  }
  if (setting.node_modules.empty() && setting.without_node.empty()) {
    setting.without_node = "no --node-modules was given";
  }
  (void)signal(SIGPIPE, SIG_IGN);
  try {
    return cairn::bench::measure(a, setting);
  } catch (const std::exception& e) {
    cairn::bench::wait_if_ending();
    std::cerr << "serve_bench: " << e.what() << "\n";
    return 1;
  }
}
