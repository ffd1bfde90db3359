#include "engine/maintenance/backup.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "engine/reader/store_reader.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/progress.h"
#include "tools/output/report.h"
#include "tools/output/stage_note.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kBackupNotes =
    R"help(Copies all runs, as of one moment, into the new directory TARGET. The copy is a store of its own,
with a new id, and can be used like any other. The command works while another process has the
store open, and after a crash. Times, status and sequences of the runs stay the same; unfinished
runs show as orphaned in the copy.

TARGET appears complete and on disk, or not at all: Ctrl-C and errors leave nothing behind. A kill
-9 may leave a directory TARGET.backup-XXXXXX, which you may remove. If TARGET exists already, the
command ends with 1. To copy a store to another machine or to a network file system, make a backup
first and copy that.

Examples:
  cairn backup /var/backups/metadata-$(date +%F)
  cairn backup /tmp/copy && cairn ls --store /tmp/copy)help";

/// For the share that is done; 0: not known.
uint64_t stored_runs(const std::string& directory) {
  engine::StoreReader::Options options;
  options.directory = directory;
  const auto reader = engine::StoreReader::open(std::move(options));
  engine::error_detail() = {};
  return reader.ok() ? (*reader)->store().stored_runs() : 0;
}

Exit backup(const Globals& globals, const std::string& target) {
  const auto directory = store_directory(globals);
  if (!directory) {
    return Exit::kUsage;
  }
  engine::error_detail() = {};
  engine::BackupOptions options;
  options.directory = *directory;
  options.target = target;
  auto report = [&] {
    StageNote stage(globals.json);
    const uint64_t total = stored_runs(*directory);
    options.go_on = [&stage, total](uint64_t runs) {
      stage.show(progress_text("run", runs, std::max(total, runs), stage.elapsed_ms()));
      return !interrupted();
    };
    return engine::back_up(options);
  }();
  if (!report.ok() && interrupted()) {
    note(globals, "interrupted: nothing is left of the copy");
    die_of_interrupt();
  }
  if (!report.ok()) {
    return report_error(globals, report.status());
  }
  std::string id;
  for (const uint8_t byte : report->store_id) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    id += digits;
  }
  if (globals.json) {
    engine::Object o;
    o.push_back({"target", engine::Value(valid_text(target))});
    o.push_back({"store_id", engine::Value(id)});
    o.push_back({"runs", engine::Value(report->runs)});
    o.push_back({"last_lsn", engine::Value(report->last_lsn)});
    print_json(std::move(o));
  } else {
    std::printf("%s copied, as of LSN %llu\n", counted(report->runs, "run").c_str(),
                static_cast<unsigned long long>(report->last_lsn));
  }
  return Exit::kDone;
}

}  // namespace

void add_backup(CommandLine& line) {
  auto target = std::make_shared<std::string>();
  line.add("backup", "Copy a live store into a new directory", kBackupNotes)
      .argument("TARGET", "The directory to make", *target)
      .run([target](const Globals& globals) { return backup(globals, *target); });
}

}  // namespace cairn::tools
