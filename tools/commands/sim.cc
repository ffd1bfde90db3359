#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <system_error>

#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/stage_note.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/sim/simulation.h"

namespace cairn::tools {

namespace {

using engine::Value;

constexpr const char* kSimNotes =
    R"help(Runs stores that sync through a simulated network, which loses, cuts, damages, delays and
duplicates messages, while processes are killed and clocks jump. One seed always gives the same
history, to the byte, so a failure can be repeated by its number. Workers set, count and append,
and each operation is noted outside before the store gets it. At the end both sides must hold
exactly what was noted. The stores are real ones in a temporary directory; clock, network and
kills are simulated.

Exit codes: 0 both sides equal what was done, 1 they do not.

Examples:
  cairn sim --seed 7
  cairn sim --rounds 100                       a hundred seeds, starting from a random one
  cairn sim --seed 7 --no-duplicate-check      a planted bug, which must be found)help";

struct SimArguments {
  std::string directory;
  std::optional<uint64_t> seed, rounds, workers, runs, actions;
  bool chain = false, no_duplicate_check = false;
};

void print_result(const Globals& globals, uint64_t seed, const sim::Result& r) {
  if (globals.json) {
    engine::Array differences;
    for (const std::string& difference : r.differences) {
      differences.push_back(Value(difference));
    }
    engine::Object o{{"seed", Value(seed)}, {"equal", Value(r.equal)}};
    const std::pair<const char*, uint64_t> numbers[] = {{"operations", r.operations},
                                                        {"messages", r.messages},
                                                        {"batches", r.batches},
                                                        {"bytes", r.bytes},
                                                        {"lost_requests", r.lost_requests},
                                                        {"lost_answers", r.lost_answers},
                                                        {"cut", r.cut},
                                                        {"flipped", r.flipped},
                                                        {"delayed", r.delayed},
                                                        {"doubled", r.doubled},
                                                        {"denied", r.denied},
                                                        {"busy", r.busy},
                                                        {"worker_kills", r.worker_kills},
                                                        {"upstream_kills", r.upstream_kills},
                                                        {"clock_jumps", r.clock_jumps},
                                                        {"too_large", r.too_large},
                                                        {"renamed", r.renamed},
                                                        {"detached", r.detached},
                                                        {"backlogs", r.backlogs},
                                                        {"duplicates", r.duplicates},
                                                        {"dead_letters", r.dead_letters},
                                                        {"trace", r.trace}};
    for (const auto& [name, value] : numbers) {
      o.push_back({name, Value(value)});
    }
    o.push_back({"simulated_ms", Value(r.simulated_ms)});
    o.push_back({"differences", Value(std::move(differences))});
    print_json(std::move(o));
    return;
  }
  const auto n = [](uint64_t v) { return static_cast<unsigned long long>(v); };
  std::printf("seed %llu: %s. %s, %s, %s, %.1f simulated minutes\n", n(seed), r.equal ? "equal" : "NOT EQUAL",
              counted(r.operations, "operation").c_str(), counted(r.batches, "batch", "batches").c_str(),
              counted(r.messages, "message").c_str(), static_cast<double>(r.simulated_ms) / 60'000);
  std::printf("  lost %s and %s, cut %llu, spoiled %llu, delayed %llu, doubled %llu, denied %llu, busy %llu\n",
              counted(r.lost_requests, "request").c_str(), counted(r.lost_answers, "answer").c_str(), n(r.cut),
              n(r.flipped), n(r.delayed), n(r.doubled), n(r.denied), n(r.busy));
  std::printf("  killed %s and %s, %s of the clock; %s came again\n", counted(r.worker_kills, "worker").c_str(),
              counted(r.upstream_kills, "upstream").c_str(), counted(r.clock_jumps, "jump").c_str(),
              counted(r.duplicates, "batch", "batches").c_str());
  for (const std::string& difference : r.differences) {
    std::printf("  %s\n", difference.c_str());
  }
}

/// Gone with this.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent) {
    std::string name =
        (parent.empty() ? std::filesystem::temp_directory_path().string() : parent) + "/cairn-sim-XXXXXX";
    if (mkdtemp(name.data()) != nullptr) {
      path_ = name;
    }
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) {
      std::filesystem::remove_all(path_, ignored);
    }
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Exit simulate(const Globals& globals, const SimArguments& a) {
  uint64_t seed = a.seed.value_or(std::random_device{}());
  bool equal = true;
  for (uint64_t round = 0; round < a.rounds.value_or(1) && !interrupted(); ++round, ++seed) {
    const TemporaryDirectory directory(a.directory);
    if (directory.path().empty()) {
      return report_error(globals, engine::fail(Status(Code::kIo, "temporary directory", errno),
                                                "cannot make a directory for the stores"));
    }
    sim::Options options;
    options.seed = seed;
    options.directory = directory.path();
    options.workers = static_cast<uint32_t>(a.workers.value_or(3));
    options.runs = static_cast<uint32_t>(a.runs.value_or(8));
    options.actions = static_cast<uint32_t>(a.actions.value_or(2000));
    options.chain = a.chain;
    options.no_duplicate_check = a.no_duplicate_check;
    StageNote stage(globals.json);
    const auto result = sim::simulate(options, [&](double share) {
      stage.show("seed " + std::to_string(seed) + ": " + std::to_string(static_cast<int>(share * 100)) + " %");
      return !interrupted();
    });
    if (interrupted()) {
      break;
    }
    if (!result.ok()) {
      return report_error(globals, result.status(), "seed " + std::to_string(seed));
    }
    print_result(globals, seed, *result);
    std::fflush(stdout);
    equal = equal && result->equal;
  }
  return equal ? Exit::kDone : Exit::kNo;
}

}  // namespace

void add_sim(CommandLine& line) {
  auto a = std::make_shared<SimArguments>();
  line.add("sim", "Try the sync protocol in a simulated network", kSimNotes)
      .number("--seed", "N", "The history to play (default: a random one, which is printed)", {}, a->seed)
      .number("--rounds", "N", "How many seeds, counting up from --seed (default 1)", {1, 1'000'000'000}, a->rounds)
      .number("--workers", "N", "How many stores send (default 3)", {1, 100}, a->workers)
      .number("--runs", "N", "How many runs each of them has (default 8)", {1, 1000}, a->runs)
      .number("--actions", "N", "Steps of a history (default 2000)", {0, 10'000'000}, a->actions)
      .flag("--chain", "The upstream has an upstream of its own, which is compared too", a->chain)
      .flag("--no-duplicate-check", "A planted bug: the upstream takes a repeated message for a new one",
            a->no_duplicate_check)
      .option("--directory", "DIR", "Where the stores are made (default: the temporary directory)", a->directory)
      .run([a](const Globals& globals) {
        const Exit exit = simulate(globals, *a);
        if (interrupted()) {
          die_of_interrupt();
        }
        return exit;
      });
}

}  // namespace cairn::tools
