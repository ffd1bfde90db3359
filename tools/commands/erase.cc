#include <cstdio>
#include <memory>

#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kEraseNotes =
    R"help(Removes the run with its metadata and index entries, finished or not. This cannot be undone: only
its old bytes stay in the log, until the files of the log are used again. The id is free
afterwards.

Examples:
  cairn erase $run
  cairn ls --status COMPLETED --json | jq -r .id | while read -r run; do cairn erase $run; done)help";

}  // namespace

void add_erase(CommandLine& line) {
  auto id = std::make_shared<std::string>();
  line.add("erase", "Remove a run and its metadata for good", kEraseNotes)
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
