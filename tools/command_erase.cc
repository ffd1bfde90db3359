#include <cstdio>
#include <memory>

#include "engine/json.h"
#include "tools/json_output.h"
#include "tools/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Removes the run with its metadata and index entries, finished or not. It cannot be brought back: nothing of it\n"
    "survives but its old bytes in the log, until the log's files are used again. The id is free afterwards.\n"
    "\n"
    "Examples:\n"
    "  cairn erase $run\n"
    "  cairn ls --status COMPLETED --json | jq -r .id | while read -r run; do cairn erase $run; done";

}  // namespace

void add_erase(CommandLine& line) {
  auto id = std::make_shared<std::string>();
  line.add("erase", "Remove a run and its metadata for good", kNotes)
      .argument("RUN", "The run's id", *id)
      .run([id](const Globals& globals) {
        const Exit exit = write_store(globals, {}, "", [&](engine::Store& store) -> Status {
          CAIRN_TRY(store.erase(*id));
          return store.barrier();
        });
        if (exit == Exit::kDone && globals.json) {
          print_json({{"id", engine::Value(*id)}, {"outcome", engine::Value("erased")}});
        }
        return exit;
      });
}

}  // namespace cairn::tools
