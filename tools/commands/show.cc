#include <cstdio>
#include <memory>

#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/run_text.h"
#include "tools/output/terminal_text.h"
#include "tools/store/open_source.h"

namespace cairn::tools {

namespace {

constexpr const char* kShowNotes =
    R"help(Prints status, times (UTC), sequence and the metadata. It works while another process has the
store open. "orphaned" means that the run is unfinished, and that the process that started or
resumed it no longer has the store open. The sequence counts all changes of the run. Children are
the runs that name it as their parent. A key "progress" between 0 and 1 is drawn as a bar.

Of a run that another store sent here, "from" names that store, its host, and when something was
last heard of it. That is every few seconds while the store has unfinished runs and asks whether
others changed them. If it asks, and a minute has passed, its worker is gone or cannot reach this
store ("worker_gone" with --json).

Examples:
  cairn show $run
  watch -n1 cairn show $run
  cairn show $run --json | jq .metadata.progress)help";

struct ShowArguments {
  std::string run;
  bool salvage = false;
};

Exit show(const Globals& globals, const ShowArguments& a) {
  Exit exit = Exit::kDone;
  const auto source = open_source(globals, a.salvage, exit);
  const auto run = source ? find_run(globals, *source, a.run, exit, true) : std::nullopt;
  if (!run) {
    return exit;
  }
  const auto children = source->children(a.run);
  if (!children.ok()) {
    return report_error(globals, children.status());
  }
  if (globals.json) {
    print_json(run_json(*run, *children));
    return Exit::kDone;
  }
  const std::string text = describe_run(*run, *children, wall_us());
  std::fwrite(text.data(), 1, text.size(), stdout);
  return Exit::kDone;
}

}  // namespace

void add_show(CommandLine& line) {
  auto a = std::make_shared<ShowArguments>();
  line.add("show", "Show a run with its metadata", kShowNotes)
      .argument("RUN", "The run's id", a->run)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) { return show(globals, *a); });
}

}  // namespace cairn::tools
