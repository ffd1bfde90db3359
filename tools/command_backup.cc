#include <algorithm>
#include <cstdio>
#include <memory>

#include "engine/store_backup.h"
#include "engine/store_reader.h"
#include "tools/dump.h"
#include "tools/interrupt.h"
#include "tools/open_store.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/stage_note.h"
#include "tools/terminal_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Copies all runs, as of one moment, into the new directory TARGET: a store of its own with a new id, to be used "
    "like\n"
    "any other. Works beside a live owner, which goes on meanwhile, and after a crash. Times, status and sequences of\n"
    "the runs stay; unfinished ones show as orphaned in the copy.\n"
    "TARGET appears whole and synced, or not at all: Ctrl-C and errors leave nothing. A kill -9 may leave a directory\n"
    "TARGET.backup-XXXXXX, which may be removed. Ends with 1 if TARGET is there already.\n"
    "To copy a store to another machine or a network file system, back it up first and copy the backup.\n"
    "\n"
    "Examples:\n"
    "  cairn backup /var/backups/metadata-$(date +%F)\n"
    "  cairn backup /tmp/copy && cairn ls --store /tmp/copy";

/// For the share that is done; 0: not known.
uint64_t stored_runs(const std::string& directory) {
  engine::StoreReader::Options options;
  options.directory = directory;
  const auto reader = engine::StoreReader::open(std::move(options));
  engine::error_detail() = {};
  return reader.ok() ? (*reader)->stored_runs() : 0;
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
      stage.show(progress_text("runs", runs, std::max(total, runs), stage.elapsed_ms()));
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
    std::printf("%llu runs copied, as of LSN %llu\n", static_cast<unsigned long long>(report->runs),
                static_cast<unsigned long long>(report->last_lsn));
  }
  return Exit::kDone;
}

}  // namespace

void add_backup(CommandLine& line) {
  auto target = std::make_shared<std::string>();
  line.add("backup", "Copy a live store into a new directory", kNotes)
      .argument("TARGET", "The directory to make", *target)
      .run([target](const Globals& globals) { return backup(globals, *target); });
}

}  // namespace cairn::tools
