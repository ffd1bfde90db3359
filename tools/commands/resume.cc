#include <memory>

#include "engine/store/run_for_update.h"
#include "tools/commands/commands.h"
#include "tools/output/run_text.h"
#include "tools/store/open_store.h"
#include "tools/store/remote_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kResumeNotes =
    R"help(Takes up an unfinished run, even one that is CRASHED, and prints its id. Its status is then
EXECUTING, even if it was WAITING or DELAYED. If the run is finished or does not exist, the
command ends with 1; `cairn start --resume` starts it if it does not exist.

Examples:
  cairn resume $run)help";

Exit resume(const Globals& globals, const std::string& id) {
  engine::RunView resumed;
  if (RemoteStore::is_for(globals)) {
    Exit exit = Exit::kDone;
    const auto remote = RemoteStore::open(globals, exit);
    if (!remote) {
      return exit;
    }
    const auto run = remote->resume(id);
    if (!run.ok()) {
      return remote->report(run.status());
    }
    print_started(*run, globals.json);
    return Exit::kDone;
  }
  const Exit exit = write_store(globals, {}, "", [&](engine::Store& store) -> Status {
    CAIRN_TRY_ASSIGN(auto&& found, store.find(id));
    CAIRN_TRY(engine::check_owned_here(store, *found));
    CAIRN_TRY_ASSIGN(auto&& run, store.resume(id));
    resumed = store.view(*run);
    return {};
  });
  if (exit == Exit::kDone) {
    print_started(resumed, globals.json);
  }
  return exit;
}

}  // namespace

void add_resume(CommandLine& line) {
  auto id = std::make_shared<std::string>();
  line.add("resume", "Continue an unfinished run", kResumeNotes)
      .argument("RUN", "The run's id", *id)
      .run([id](const Globals& globals) { return resume(globals, *id); });
}

}  // namespace cairn::tools
