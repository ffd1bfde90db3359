#include <memory>

#include "engine/json.h"
#include "engine/start_or_resume.h"
#include "tools/open_store.h"
#include "tools/report.h"
#include "tools/run_text.h"
#include "tools/value_argument.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Prints the run's id. The store is made if the directory is empty or absent (about 6 MiB).\n"
    "The run stays EXECUTING until `cairn finish`: between commands nobody holds it, so it shows as orphaned, and any\n"
    "command, or a program through the library, may take it up.\n"
    "Ends with 1 if the id is taken, by a finished run or by an unfinished one. With --resume an unfinished run of\n"
    "this store is resumed: its task, parent, tags and metadata stay what they are.\n"
    "\n"
    "Examples:\n"
    "  run=$(cairn start --task backup --tag nightly --tag db1)\n"
    "  cairn start --id backup-2026-11-23 --metadata '{\"phase\":\"copy\",\"progress\":0}'\n"
    "  run=$(cairn start --resume --id worker-7)    # the first line of a worker";

struct Arguments {
  std::string id, task, parent, metadata;
  std::optional<uint64_t> limit;
  std::vector<std::string> tags;
  bool resume = false;
};

Exit start(const Globals& globals, const Arguments& a) {
  if (a.resume && a.id.empty()) {
    return report_usage(globals, "--resume needs --id: without one there is nothing to resume");
  }
  engine::StartOptions options;
  options.id = a.id;
  options.task = a.task;
  options.tags = a.tags;
  options.parent = a.parent;
  if (!a.metadata.empty()) {
    Exit exit = Exit::kDone;
    auto metadata = object_argument(globals, a.metadata, "--metadata", exit);
    if (!metadata) {
      return exit;
    }
    options.metadata = std::move(*metadata);
  }
  engine::RunView started;
  const Exit exit = write_store(globals, {a.limit, true}, "", [&](engine::Store& store) {
    auto run = a.resume ? engine::start_or_resume(store, options) : store.start(options);
    if (run.ok()) {
      started = store.view(**run);
    }
    return run.status();
  });
  if (exit == Exit::kDone) {
    print_started(started, globals.json);
  }
  return exit;
}

}  // namespace

void add_start(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("start", "Start a run and print its id", kNotes)
      .option("--id", "ID", "1 to 64 of A-Z a-z 0-9 _ - . : (default: one is made that sorts by time)", a->id)
      .option("--task", "TASK", "What the run does, for people and filters", a->task)
      .option("--parent", "RUN", "The run that starts this one", a->parent)
      .list("--tag", "TAG", "A tag; may be given several times", a->tags)
      .option("--metadata", "JSON", "The object that the metadata starts from (default: {})", a->metadata)
      .flag("--resume", "Resume the run of this --id if it is here and not finished", a->resume)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return start(globals, *a); });
}

}  // namespace cairn::tools
