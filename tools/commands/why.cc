#include "api/report/why.h"

#include <cstdio>
#include <memory>

#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"
#include "tools/store/open_source.h"

namespace cairn::tools {

namespace {

constexpr const char* kWhyNotes =
    R"help(Says in words why the upstream does not have a run yet. It needs no network, and works while
another process has the store open. With --json "reason" is one of acknowledged, no_upstream,
not_folded, waits, in_flight, held, copied, forked, restored, no_owner, elsewhere. A change that was
given up with `cairn sync --skip` counts as acknowledged.

Exit codes: 0 the upstream has all of it, 1 it does not.

Examples:
  cairn why $run
  cairn why $run --json | jq -r .reason)help";

Exit why(const Globals& globals, const std::string& id) {
  Exit exit = Exit::kDone;
  const auto source = open_source(globals, false, exit);
  if (!source) {
    return exit;
  }
  auto why = source->why(id);
  if (!why.ok()) {
    return report_error(globals, why.status());
  }
  why->id = id;  // as it was asked for
  if (globals.json) {
    print_json(report::why_json(*why));
  } else {
    const std::string text = report::why_text(*why, wall_us());
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  return why->is_there() ? Exit::kDone : Exit::kNo;
}

}  // namespace

void add_why(CommandLine& line) {
  auto id = std::make_shared<std::string>();
  line.add("why", "Say why the upstream does not have a run yet", kWhyNotes)
      .argument("RUN", "The run's id", *id)
      .run([id](const Globals& globals) { return why(globals, *id); });
}

}  // namespace cairn::tools
