#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "tools/interrupt.h"
#include "tools/open_store.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/run_line.h"
#include "tools/stage_note.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Prints whole runs as JSON, one a line, all as of one moment: what `cairn import` reads. Without RUN all of them, "
    "in\n"
    "the order of their ids. Works beside a live owner. Ends with 1 if a RUN is not there; the others are printed.\n"
    "Times are microseconds since 1970 UTC. JSON tells no double from an integer of the same value: 1.0 comes back "
    "from\n"
    "an import as 1. All else comes back as it was. `cairn backup` keeps that, too.\n"
    "\n"
    "Examples:\n"
    "  cairn export > runs.jsonl\n"
    "  cairn export $run | jq .metadata\n"
    "  cairn export --store old | cairn import --store new";

struct Arguments {
  std::vector<std::string> runs;
  bool salvage = false;
};

Exit export_runs(const Globals& globals, const Arguments& a) {
  Exit exit = Exit::kDone;
  const auto reader = open_reader(globals, a.salvage, exit);
  if (!reader) {
    return exit;
  }
  std::set<std::string> wanted(a.runs.begin(), a.runs.end());
  Status status;
  {
    StageNote stage(globals.json || isatty(STDOUT_FILENO) == 1);
    uint64_t runs = 0;
    const uint64_t total = a.runs.empty() ? reader->stored_runs() : a.runs.size();
    status = reader->each([&](const engine::RunView& run) {
      if (a.runs.empty() || wanted.erase(run.record.id) != 0) {
        std::printf("%s\n", run_line(run.record).c_str());
        stage.show(progress_text("runs", ++runs, std::max(total, runs), stage.elapsed_ms()));
      }
      return !interrupted() && std::ferror(stdout) == 0 && (a.runs.empty() || !wanted.empty());
    });
  }
  if (interrupted()) {
    die_of_interrupt();
  }
  if (!status.ok()) {
    return report_error(globals, status);
  }
  if (!reader->report().tables_problem.empty()) {
    note(globals, "the tables could not be read to their end (" + reader->report().tables_problem +
                      "): what is exported is what could be salvaged");
  }
  if (!wanted.empty() && std::ferror(stdout) == 0) {
    return report_error(globals, engine::fail(Status(Code::kNoSuchRun, "no such run"),
                                              "there is no such run in this store", *wanted.begin()));
  }
  return Exit::kDone;
}

}  // namespace

void add_export(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("export", "Print whole runs as JSON lines", kNotes)
      .arguments("RUN", "Ids of runs (default: all)", a->runs)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) { return export_runs(globals, *a); });
}

}  // namespace cairn::tools
