#include <cstdio>
#include <memory>

#include "engine/json.h"
#include "tools/json_output.h"
#include "tools/open_store.h"
#include "tools/report.h"
#include "tools/run_text.h"
#include "tools/terminal_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Prints status, times (UTC), sequence and the metadata. Works beside a live owner. \"orphaned\" means: unfinished, "
    "and\n"
    "the process that started or resumed the run no longer has the store open. The sequence counts all changes of the\n"
    "run. Children are the runs that name it as their parent. A key \"progress\" between 0 and 1 is drawn as a bar.\n"
    "\n"
    "Examples:\n"
    "  cairn show $run\n"
    "  watch -n1 cairn show $run\n"
    "  cairn show $run --json | jq .metadata.progress";

struct Arguments {
  std::string run;
  bool salvage = false;
};

Exit show(const Globals& globals, const Arguments& a) {
  Exit exit = Exit::kDone;
  const auto reader = open_reader(globals, a.salvage, exit);
  const auto run = reader ? read_run(globals, *reader, a.run, exit) : std::nullopt;
  if (!run) {
    return exit;
  }
  uint64_t children = 0;
  engine::RunQuery of_this;
  of_this.parent = a.run;
  const auto counted = reader->list(
      of_this, [&children](const engine::RunView&) { return ++children > 0; }, false);
  if (!counted.ok()) {
    return report_error(globals, counted.status());
  }
  if (globals.json) {
    print_json(run_json(*run, children));
    return Exit::kDone;
  }
  const std::string text = describe_run(*run, children, wall_us());
  std::fwrite(text.data(), 1, text.size(), stdout);
  return Exit::kDone;
}

}  // namespace

void add_show(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("show", "Show a run with its metadata", kNotes)
      .argument("RUN", "The run's id", a->run)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) { return show(globals, *a); });
}

}  // namespace cairn::tools
