#include <cstdio>
#include <memory>

#include "engine/json.h"
#include "tools/open_store.h"
#include "tools/run_text.h"
#include "tools/terminal_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Prints status, times (UTC), sequence and the metadata. Works beside a live owner. \"orphaned\" means: unfinished, "
    "and\n"
    "the process that started or resumed the run no longer has the store open. The sequence counts all changes of the\n"
    "run. A key \"progress\" between 0 and 1 is drawn as a bar.\n"
    "\n"
    "Examples:\n"
    "  cairn show $run\n"
    "  watch -n1 cairn show $run\n"
    "  cairn show $run --json | jq .metadata.progress";

struct Arguments {
  std::string run;
  bool salvage = false;
};

}  // namespace

void add_show(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("show", "Show a run with its metadata", kNotes)
      .argument("RUN", "The run's id", a->run)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) {
        Exit exit = Exit::kDone;
        if (const auto run = read_run(globals, a->run, a->salvage, exit)) {
          const std::string text =
              globals.json ? engine::to_json(engine::Value(run_json(*run))) + "\n" : describe_run(*run, wall_us());
          std::fwrite(text.data(), 1, text.size(), stdout);
        }
        return exit;
      });
}

}  // namespace cairn::tools
