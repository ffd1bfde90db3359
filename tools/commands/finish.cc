#include <cstdio>
#include <memory>

#include "engine/json/json.h"
#include "engine/store/run_for_update.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/run_text.h"
#include "tools/store/open_store.h"
#include "tools/store/remote_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kFinishNotes =
    R"help(Ends the run. Its metadata stays readable and can no longer be changed. Finishing it again ends
with 1. The end of the run is on disk when the command returns.

Examples:
  cairn finish $run
  cairn finish $run --status CANCELED
  cairn finish $run --error 'no space left on /data'    # FAILED, and why)help";

struct FinishArguments {
  std::string run, status;
  std::optional<std::string> error;  // given and empty: it failed, and nobody knows why
};

Exit finish(const Globals& globals, const FinishArguments& a) {
  engine::RunStatus status = !a.error ? engine::RunStatus::kCompleted : engine::RunStatus::kFailed;
  if ((!a.status.empty() && !engine::status_from_name(a.status, status)) || !engine::is_final(status)) {
    return report_usage(globals, "'" + a.status +
                                     "' does not end a run: give COMPLETED, CANCELED, FAILED, SYSTEM_FAILURE, EXPIRED "
                                     "or TIMED_OUT");
  }
  if (a.error && a.error->size() > engine::kErrorBytesMax) {
    return report_error(
        globals,
        engine::fail(Code::kTooLarge, "--error takes at most " + std::to_string(engine::kErrorBytesMax) +
                                          " bytes, and this is " + std::to_string(a.error->size())),
        {}, {a.run});
  }
  engine::RunView finished;
  if (RemoteStore::is_for(globals)) {
    Exit exit = Exit::kDone;
    const auto remote = RemoteStore::open(globals, exit);
    if (!remote) {
      return exit;
    }
    const Status ended = remote->finish(a.run, status, a.error.value_or(""), globals.json ? &finished : nullptr);
    if (!ended.ok()) {
      return remote->report(ended, "", {a.run});
    }
    if (globals.json) {
      print_json(run_json(finished));
    }
    return Exit::kDone;
  }
  const Exit exit =
      write_store(globals, {}, "",
                  [&](engine::Store& store) -> Status {
                    CAIRN_TRY_ASSIGN(auto&& run, store.find(a.run));
                    CAIRN_TRY(engine::check_owned_here(store, *run));
                    CAIRN_TRY(store.finish(*run, status, engine::Durability::kDefault, a.error.value_or("")));
                    finished = store.view(*run);
                    return {};
                  },
                  {a.run});
  if (exit == Exit::kDone && globals.json) {
    print_json(run_json(finished));
  }
  return exit;
}

}  // namespace

void add_finish(CommandLine& line) {
  auto a = std::make_shared<FinishArguments>();
  line.add("finish", "End a run", kFinishNotes)
      .argument("RUN", "The run's id", a->run)
      .option("--status", "STATUS", "COMPLETED (default) CANCELED FAILED SYSTEM_FAILURE EXPIRED TIMED_OUT", a->status)
      .option("--error", "TEXT", "Why it failed, at most 4,096 bytes; without --status it is FAILED", a->error)
      .run([a](const Globals& globals) { return finish(globals, *a); });
}

}  // namespace cairn::tools
