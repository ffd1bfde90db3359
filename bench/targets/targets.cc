// Measures Cairn's own targets on this machine. The comparison with other engines is cairn_compare.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "bench/targets/measures.h"
#include "tools/measure/device.h"

namespace {

using cairn::bench::Measure;
using cairn::bench::Scale;
using Json = nlohmann::json;

// Each in a process of its own, so that one's memory is not another's.
Json in_child(const Measure& measure, const Scale& scale) {
  int ends[2];
  if (pipe(ends) != 0) {
    throw std::runtime_error("no pipe");
  }
  const pid_t child = fork();
  if (child == 0) {
    const std::string text = measure.run(scale).dump();
    _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) {
    throw std::runtime_error(std::string(measure.name) + ": failed");
  }
  Json result = Json::parse(text);
  result["name"] = measure.name;
  result["what"] = measure.what;
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures Cairn's targets on this machine, each in a process of its own.");
  Scale scale;
  scale.directory = "targets-work";
  std::vector<std::string> only;
  bool as_json = false;
  bool small = false;
  app.add_option("--only", only, "these measures; default: all but flash, which bench/targets/flash.sh runs");
  app.add_option("--dir", scale.directory, "where the stores stand; made if absent");
  app.add_option("--seconds", scale.seconds, "of what is timed; flash takes 20 times as long")
      ->check(CLI::Range(0.05, 600.0));
  app.add_flag("--json", as_json, "one JSON array");
  app.add_flag("--small", small, "a hundredth of everything: to see that it works");
  CLI11_PARSE(app, argc, argv);
  if (small) {
    scale.seconds = 0.1;
    scale.updates = 100'000;
    scale.runs = 1000;
    scale.log_bytes = 8U << 20;
    scale.idle_stores = 10;
  }
  std::vector<Measure> all = cairn::bench::time_measures();
  for (const Measure& m : cairn::bench::space_measures()) {
    all.push_back(m);
  }
#ifdef CAIRN_COMMAND
  for (const Measure& m : cairn::bench::sync_measures()) {
    all.push_back(m);
  }
#endif
  for (const std::string& name : only) {
    if (std::none_of(all.begin(), all.end(), [&](const Measure& m) { return name == m.name; })) {
      std::cerr << "targets: no measure " << name << "; there are";
      for (const Measure& m : all) {
        std::cerr << ' ' << m.name;
      }
      std::cerr << '\n';
      return 2;
    }
  }
  try {
    scale.directory = std::filesystem::absolute(scale.directory).string();
    std::filesystem::create_directories(scale.directory);
    Json results = Json::array();
    if (!as_json) {
      std::cout << cairn::tools::describe_machine(scale.directory) << std::endl;
    }
    for (const Measure& m : all) {
      const bool wanted =
          only.empty() ? std::string(m.name) != "flash" : std::find(only.begin(), only.end(), m.name) != only.end();
      if (!wanted) {
        continue;
      }
      Json result = in_child(m, scale);
      if (!as_json) {
        std::cout << m.name << ": " << m.what << "\n";
        for (const auto& [name, value] : result["values"].items()) {
          std::cout << "    " << name << " " << value << "\n";
        }
        std::cout << "    target: " << result["target"].get<std::string>()
                  << (result["met"].is_null()     ? ""
                      : result["met"].get<bool>() ? ": met"
                                                  : ": MISSED")
                  << std::endl;
      }
      results.push_back(std::move(result));
    }
    if (as_json) {
      std::cout << results.dump(2) << "\n";
    }
  } catch (const std::exception& e) {
    std::cerr << "targets: " << e.what() << "\n";
    return 1;
  }
  return 0;
}
