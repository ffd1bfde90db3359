// Cairn beside other engines: the same work, in turn, on this machine. bench/README.md says how to read what it prints.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <regex>

#include "bench/compare/child.h"
#include "bench/compare/proofs.h"
#include "bench/compare/report.h"
#include "bench/compare/workload.h"
#include "tools/measure/device.h"
#include "tools/measure/latency.h"

namespace {

using cairn::tools::describe_machine;
using cairn::tools::stamp_ns;

using namespace cairn::bench;  // NOLINT(google-build-using-namespace)
using Json = nlohmann::json;

const char* text_of(Survives survives) {
  switch (survives) {
    case Survives::kNothing:
      return "nothing";
    case Survives::kProcess:
      return "process";
    case Survives::kPower:
      return "power";
  }
  return "";
}

struct Case {
  const Workload* workload;
  const Contender* contender;
  std::vector<Json> repetitions;
};

struct Arguments {
  bool full = false;
  int repetitions = 0;
  double seconds = 0;
  uint64_t seed = 0;
  std::string only = ".";
  std::string directory = "compare-work";
  std::string out = "compare-results";
  bool no_proofs = false;
  bool list = false;
  std::string prove;
};

std::string beside_this_program(const char* name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

int run(const Arguments& arguments) {
  const std::vector<Contender> contenders = all_contenders();
  if (!arguments.prove.empty()) {
    for (const Contender& c : contenders) {
      if (c.name == arguments.prove) {
        return prove_power_here(c, arguments.directory);
      }
    }
    give_up("no contender " + arguments.prove);
  }
  const std::vector<Workload> workloads = all_workloads();
  const int repetitions = arguments.repetitions > 0 ? arguments.repetitions : arguments.full ? 9 : 5;
  const double seconds = arguments.seconds > 0 ? arguments.seconds : arguments.full ? 5 : 0.5;
  const std::regex only(arguments.only);
  std::vector<Case> cases;
  for (const Workload& w : workloads) {
    for (const Contender& c : contenders) {
      if (takes_part(c, w) && std::regex_search(w.name + " " + c.name, only)) {
        cases.push_back({&w, &c, {}});
      }
    }
  }
  if (arguments.list) {
    for (const Case& c : cases) {
      std::cout << c.workload->name << " " << c.contender->name << "\n";
    }
    return 0;
  }
  if (cases.empty()) {
    give_up("--only " + arguments.only + " matches no case; --list shows all");
  }
  catch_interrupts();
  std::filesystem::create_directories(arguments.directory);
  Json results = {{"machine", describe_machine(std::filesystem::absolute(arguments.directory))},
                  {"versions", engine_versions()},
                  {"seed", arguments.seed},
                  {"repetitions", repetitions},
                  {"seconds", seconds},
                  {"stamp_ns", stamp_ns()},
                  {"cases", Json::array()},
                  {"workloads", Json::array()},
                  {"contenders", Json::array()}};
  std::cerr << results["machine"].get<std::string>() << "\n"
            << cases.size() << " cases, " << repetitions << " repetitions of " << seconds << " s\n";

  std::mt19937_64 random(arguments.seed);
  for (int r = 0; r < repetitions; ++r) {
    std::vector<Case*> order;
    order.reserve(cases.size());
    for (Case& c : cases) {
      order.push_back(&c);
    }
    std::shuffle(order.begin(), order.end(), random);
    for (size_t i = 0; i < order.size(); ++i) {
      Case& c = *order[i];
      std::cerr << "\r\033[Krepetition " << r + 1 << " of " << repetitions << ", case " << i + 1 << " of "
                << order.size() << ": " << c.workload->name << " " << c.contender->name << std::flush;
      const CaseDirectory directory(arguments.directory);
      const auto result = in_child([&] { return measure(*c.contender, *c.workload, directory.path(), seconds); });
      if (!result) {
        std::cerr << (interrupted() ? "\ninterrupted\n" : "\n");
        return interrupted() ? 130 : 1;
      }
      c.repetitions.push_back(*result);
    }
  }
  std::cerr << "\r\033[K";

  std::map<std::string, const Contender*> seen;
  for (const Case& c : cases) {
    Json one = summary(c.repetitions);
    one["workload"] = c.workload->name;
    one["contender"] = c.contender->name;
    one["survives"] = text_of(c.contender->survives);
    one["is_cairn"] = c.contender->is_cairn;
    one["repetitions"] = c.repetitions;
    results["cases"].push_back(std::move(one));
    seen[c.contender->name] = c.contender;
  }
  for (const Workload& w : workloads) {
    results["workloads"].push_back({{"name", w.name}, {"title", w.title}});
  }
  bool kept = true;
  for (const Contender& c : contenders) {
    if (seen.count(c.name) == 0) {
      continue;
    }
    results["contenders"].push_back({{"name", c.name}, {"survives", text_of(c.survives)}, {"settings", c.settings}});
    if (arguments.no_proofs) {
      continue;
    }
    std::cerr << "\r\033[Kproof: " << c.name << std::flush;
    Json killed = prove_process(c, arguments.directory, arguments.full ? 20 : 3, arguments.seed);
    kept = kept && (killed["lost"] == 0 || c.survives == Survives::kNothing);
    killed["contender"] = c.name;
    killed["survives"] = text_of(c.survives);
    results["process_proofs"].push_back(std::move(killed));
    if (c.survives == Survives::kPower) {
      Json counted = prove_power(c, arguments.directory, std::filesystem::read_symlink("/proc/self/exe"),
                                 beside_this_program("libcairn_sync_counter.so"));
      kept = kept && counted.value("unsynced", 1) == 0;
      counted["contender"] = c.name;
      results["power_proofs"].push_back(std::move(counted));
    }
    if (interrupted()) {
      std::cerr << "\ninterrupted\n";
      return 130;
    }
  }
  std::cerr << "\r\033[K";
  write_report(results, arguments.out);
  std::cout << tables(results);
  if (!kept) {
    std::cerr
        << "compare: an engine lost what it had acknowledged, or acknowledged before a sync: see the last tables\n";
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures Cairn beside other engines. bench/compare.sh builds it and draws the charts.");
  Arguments arguments;
  app.add_flag("--full", arguments.full, "9 repetitions of 5 s each instead of 5 of 0.5 s");
  app.add_option("--repetitions", arguments.repetitions, "of every case")->check(CLI::Range(1, 1000));
  app.add_option("--seconds", arguments.seconds, "of a repetition, warming and stamped part included")
      ->check(CLI::Range(0.005, 600.0));
  app.add_option("--seed", arguments.seed, "of the order and of the moments of the kills");
  app.add_option("--only", arguments.only, "cases whose \"WORKLOAD ENGINE\" this regular expression finds");
  app.add_option("--dir", arguments.directory, "where the stores stand while they are measured; made if absent");
  app.add_option("--out", arguments.out, "where results.json, tables.md and the data of the charts go");
  app.add_flag("--no-proofs", arguments.no_proofs, "no kills and no counting of syncs");
  app.add_flag("--list", arguments.list, "names the cases");
  app.add_option("--prove-power", arguments.prove)->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(arguments);
  } catch (const std::exception& e) {
    std::cerr << "compare: " << e.what() << "\n";
    return 1;
  }
}
