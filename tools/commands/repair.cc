#include "engine/maintenance/repair.h"

#include <cstdio>
#include <memory>

#include "engine/directory/store_directory.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/stage_note.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kRepairNotes =
    R"help(Finds out what is damaged, what can still be read and what is lost, and prints it. Without --yes
it changes nothing, and ends with 65 if there is something to repair.

With --yes it makes the store anew from what can be read: the complete records of the tables, the
readable records of the log that follow them without a gap, and staging. Each run then has the
beginning of its changes, up to some point. The old data/, wal/ and staging/ go to
quarantine/TIME/ in the store, with a REPORT; remove that when you no longer need it. If a repair
is interrupted, the next `cairn repair --yes` completes it.

If the file STORE is missing or damaged, it is made anew with the id that log and tables hold. The
store then counts as a copy, and sends nothing before `cairn sync --moved` or --copied.

No process may have the store open, and the disk needs as much free space as the store takes.

Examples:
  cairn repair                       what would it do, and what is lost?
  cairn repair --yes && cairn verify)help";

using engine::Array;
using engine::Object;
using engine::RepairReport;
using engine::Value;

void print_as_json(const RepairReport& report) {
  Array damage;
  for (const std::string& text : report.damage) {
    damage.emplace_back(Object{{"what", Value(valid_text(text))}});
  }
  Array lsns;
  for (const RepairReport::LsnRange& range : report.lost_lsns) {
    Object lost{{"first_lsn", Value(range.first)}, {"last_lsn", Value(range.last)}};
    if (range.open_end) {
      lost.push_back({"open_end", Value(true)});
    }
    lsns.emplace_back(std::move(lost));
  }
  Array shortened;
  for (const RepairReport::Shortened& run : report.shortened) {
    shortened.emplace_back(Object{{"id", Value(run.id)}, {"sequence", Value(run.sequence)}, {"lsn", Value(run.lsn)}});
  }
  Object lost;
  lost.push_back({"lsns", Value(std::move(lsns))});
  lost.push_back({"ids", Value(Array(report.lost_runs.begin(), report.lost_runs.end()))});
  lost.push_back({"unnamed_runs", Value(report.lost_unnamed)});
  lost.push_back({"shortened", Value(std::move(shortened))});
  lost.push_back({"staging_lost", Value(report.staging_lost)});
  Object o;
  o.push_back({"ok", Value(report.damage.empty())});
  o.push_back({"done", Value(!report.quarantine.empty())});
  o.push_back({"damage", Value(std::move(damage))});
  o.push_back({"lost", Value(std::move(lost))});
  if (!report.damage.empty() && !report.finished_earlier) {
    o.push_back({"runs", Value(report.runs)});  // of the store that is made anew
  }
  if (!report.quarantine.empty()) {
    o.push_back({"quarantine", Value(report.quarantine)});
  }
  print_json(std::move(o));
}

void print_text(const RepairReport& report) {
  if (report.damage.empty()) {
    std::printf("nothing is damaged: there is nothing to repair\n");
    return;
  }
  std::string line;
  for (const char c : engine::describe(report)) {
    if (c == '\n') {
      std::printf("%s\n", printable(line).c_str());
      line.clear();
    } else {
      line += c;
    }
  }
  if (!report.loses() && !report.finished_earlier) {
    std::printf("lost: nothing\n");
  }
  const bool done = !report.quarantine.empty();
  if (report.finished_earlier) {
    std::printf(done ? "finished; what was there before is in %s\n" : "nothing was changed: give --yes to finish it\n",
                report.quarantine.c_str());
  } else if (done) {
    std::printf("repaired: %s; what was there before is in %s\n", counted(report.runs, "run").c_str(),
                report.quarantine.c_str());
  } else {
    std::printf("nothing was changed: with --yes the store is made anew with %s, and what is there now is set aside\n",
                counted(report.runs, "run").c_str());
  }
}

Exit repair(const Globals& globals, bool yes) {
  const auto directory = store_directory(globals);
  if (!directory) {
    return Exit::kUsage;
  }
  engine::error_detail() = {};
  engine::RepairOptions options;
  options.directory = *directory;
  options.commit = yes;
  auto report = [&] {
    StageNote stage(globals.json);
    options.go_on = [&stage](const std::string& doing) {
      stage.show(doing);
      return !interrupted();
    };
    return engine::repair(options);
  }();
  if (!report.ok() && interrupted()) {
    note(globals, "interrupted: nothing was changed");
    die_of_interrupt();
  }
  if (!report.ok()) {
    return report_error(globals, engine::name_strange_file(report.status(), *directory));
  }
  if (globals.json) {
    print_as_json(*report);
  } else {
    print_text(*report);
  }
  return report->damage.empty() || !report->quarantine.empty() ? Exit::kDone : Exit::kBadData;
}

}  // namespace

void add_repair(CommandLine& line) {
  auto yes = std::make_shared<bool>(false);
  line.add("repair", "Make a damaged store whole from what can be read of it", kRepairNotes)
      .flag("--yes", "Do it; without --yes only print what would be done and lost", *yes)
      .run([yes](const Globals& globals) { return repair(globals, *yes); });
}

}  // namespace cairn::tools
