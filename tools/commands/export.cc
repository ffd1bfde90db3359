#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/report/run_line.h"
#include "tools/commands/commands.h"
#include "tools/output/progress.h"
#include "tools/output/report.h"
#include "tools/output/stage_note.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_source.h"

namespace cairn::tools {

namespace {

constexpr const char* kExportNotes =
    R"help(Prints whole runs as JSON, one a line, all as of one moment, for `cairn import` to read. Without
RUN it prints all runs, ordered by id; of a directory of slots, one slot after the other. It works
while another process has the store open. If a RUN does not exist, the command prints the others
and ends with 1.

Times are microseconds since 1970 UTC. JSON does not distinguish a double from an integer of the
same value, so 1.0 comes back from an import as 1. Everything else comes back unchanged.
`cairn backup` keeps that difference too.

Examples:
  cairn export > runs.jsonl
  cairn export $run | jq .metadata
  cairn export --store old | cairn import --store new)help";

struct ExportArguments {
  std::vector<std::string> runs;
  bool salvage = false;
};

Exit export_runs(const Globals& globals, const ExportArguments& a) {
  Exit exit = Exit::kDone;
  const auto source = open_source(globals, a.salvage, exit);
  if (!source) {
    return exit;
  }
  std::set<std::string> wanted(a.runs.begin(), a.runs.end());
  Status status;
  {
    StageNote stage(globals.json || isatty(STDOUT_FILENO) == 1);
    uint64_t runs = 0;
    const uint64_t total = a.runs.empty() ? source->runs_about() : a.runs.size();
    status = source->each_whole(wanted, [&](const engine::RunView& run) {
      std::printf("%s\n", report::run_line(run.record).c_str());
      stage.show(progress_text("run", ++runs, std::max(total, runs), stage.elapsed_ms()));
      return !interrupted() && std::ferror(stdout) == 0;
    });
  }
  if (interrupted()) {
    die_of_interrupt();
  }
  if (!status.ok()) {
    return report_error(globals, status);
  }
  exit = source->report_unread("exported");
  if (!wanted.empty() && std::ferror(stdout) == 0) {
    const auto missing = source->find(*wanted.begin(), false);  // says so in the words of the source
    return report_error(globals, missing.ok() ? Status(Code::kNoSuchRun, "the run came just now") : missing.status());
  }
  return exit;
}

}  // namespace

void add_export(CommandLine& line) {
  auto a = std::make_shared<ExportArguments>();
  line.add("export", "Print whole runs as JSON lines", kExportNotes)
      .arguments("RUN", "Ids of runs (default: all)", a->runs)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) { return export_runs(globals, *a); });
}

}  // namespace cairn::tools
