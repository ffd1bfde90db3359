#include <memory>

#include "tools/open_store.h"
#include "tools/run_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Takes up a run that is not finished, a CRASHED one too, and prints its id. Its status is EXECUTING then, also "
    "after\n"
    "WAITING or DELAYED. Ends with 1 if the run is finished or there is none; `cairn start --resume` makes it then.\n"
    "\n"
    "Examples:\n"
    "  cairn resume $run";

Exit resume(const Globals& globals, const std::string& id) {
  engine::RunView resumed;
  const Exit exit = write_store(globals, {}, "", [&](engine::Store& store) {
    auto run = store.resume(id);
    if (run.ok()) {
      resumed = store.view(**run);
    }
    return run.status();
  });
  if (exit == Exit::kDone) {
    print_started(resumed, globals.json);
  }
  return exit;
}

}  // namespace

void add_resume(CommandLine& line) {
  auto id = std::make_shared<std::string>();
  line.add("resume", "Go on with a run that is not finished", kNotes)
      .argument("RUN", "The run's id", *id)
      .run([id](const Globals& globals) { return resume(globals, *id); });
}

}  // namespace cairn::tools
