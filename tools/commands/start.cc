#include <memory>

#include "engine/json/json.h"
#include "engine/store/start_or_resume.h"
#include "tools/commands/commands.h"
#include "tools/input/value_argument.h"
#include "tools/output/report.h"
#include "tools/output/run_text.h"
#include "tools/store/open_store.h"
#include "tools/store/remote_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kStartNotes =
    R"help(Prints the id of the run. If the directory is empty or does not exist, a store is made, which
takes about 6 MiB.

The run stays EXECUTING until `cairn finish`. Between commands no process holds it, so it shows as
orphaned, and any command, or a program through the library, may take it up.

If the id is taken, by a finished or an unfinished run, the command ends with 1. With --resume an
unfinished run of this store is resumed: its task, parent, tags and metadata stay as they are.

Examples:
  run=$(cairn start --task backup --tag nightly --tag db1)
  cairn start --id backup-2026-11-23 --metadata '{"phase":"copy","progress":0}'
  run=$(cairn start --resume --id worker-7)    # the first line of a worker)help";

struct StartArguments {
  std::string id, task, parent, metadata;
  std::optional<uint64_t> limit;
  std::vector<std::string> tags;
  bool resume = false;
};

Exit start(const Globals& globals, const StartArguments& a) {
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
  if (RemoteStore::is_for(globals)) {
    Exit exit = Exit::kDone;
    const auto remote = RemoteStore::open(globals, exit, a.limit);
    if (!remote) {
      return exit;
    }
    const auto run = remote->start(options, a.resume);
    if (!run.ok()) {
      return remote->report(run.status());
    }
    print_started(*run, globals.json);
    return Exit::kDone;
  }
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
  auto a = std::make_shared<StartArguments>();
  line.add("start", "Start a run and print its id", kStartNotes)
      .option("--id", "ID", "1 to 64 of A-Z a-z 0-9 _ - . : (default: a new id that sorts by time)", a->id)
      .option("--task", "TASK", "What the run does, for people and filters", a->task)
      .option("--parent", "RUN", "The run that starts this one", a->parent)
      .list("--tag", "TAG", "A tag; can be repeated", a->tags)
      .option("--metadata", "JSON", "The object that the metadata starts from (default: {})", a->metadata)
      .flag("--resume", "Resume the run with this --id if it exists and is unfinished", a->resume)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return start(globals, *a); });
}

}  // namespace cairn::tools
