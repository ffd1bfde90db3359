#include <cstdio>
#include <memory>

#include "engine/store_directory.h"
#include "engine/store_repair.h"
#include "tools/dump.h"
#include "tools/interrupt.h"
#include "tools/open_store.h"
#include "tools/report.h"
#include "tools/stage_note.h"
#include "tools/terminal_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Finds out what is damaged, what can be read all the same, and what is lost, and prints it. Changes nothing "
    "without\n"
    "--yes, and ends with 65 if there is something to repair.\n"
    "With --yes the store is made anew from what can be read: the tables' whole records, every readable record of the\n"
    "log that follows on, and staging. Each run is then at a prefix of its changes. The old data/, wal/ and staging/ "
    "go\n"
    "to quarantine/TIME/ in the store, with a REPORT; remove that when you no longer need it. A repair that is cut "
    "short\n"
    "is finished by the next `cairn repair --yes`.\n"
    "A STORE that is missing or damaged is made anew from the id in log and tables; the store then counts as copied, "
    "and\n"
    "sends nothing before `cairn sync --moved` or --copied.\n"
    "Nobody may have the store open, and the disk needs room for the store once more.\n"
    "\n"
    "Examples:\n"
    "  cairn repair                       what would it do, and what is lost?\n"
    "  cairn repair --yes && cairn verify";

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
    std::printf("repaired: %llu runs; what was there before is in %s\n", static_cast<unsigned long long>(report.runs),
                report.quarantine.c_str());
  } else {
    std::printf(
        "nothing was changed: with --yes the store is made anew with %llu runs, and what is there now is set "
        "aside\n",
        static_cast<unsigned long long>(report.runs));
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
  line.add("repair", "Make a damaged store whole from what can be read of it", kNotes)
      .flag("--yes", "Do it; without it is only said what would be done, and what is lost", *yes)
      .run([yes](const Globals& globals) { return repair(globals, *yes); });
}

}  // namespace cairn::tools
