#include <cstdio>
#include <memory>

#include "engine/json.h"
#include "tools/json_output.h"
#include "tools/open_store.h"
#include "tools/report.h"
#include "tools/run_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Ends the run. Its metadata stays readable and can no longer be changed; finishing it again ends with 1. The end "
    "is\n"
    "on disk when the command returns.\n"
    "\n"
    "Examples:\n"
    "  cairn finish $run\n"
    "  cairn finish $run --status CANCELED\n"
    "  cairn finish $run --error 'no space left on /data'    # FAILED, and why";

struct Arguments {
  std::string run, status;
  std::optional<std::string> error;  // given and empty: it failed, and nobody knows why
};

Exit finish(const Globals& globals, const Arguments& a) {
  engine::RunStatus status = !a.error ? engine::RunStatus::kCompleted : engine::RunStatus::kFailed;
  if ((!a.status.empty() && !engine::status_from_name(a.status, status)) || !engine::is_final(status)) {
    return report_usage(globals, "'" + a.status +
                                     "' does not end a run: give COMPLETED, CANCELED, FAILED, SYSTEM_FAILURE, EXPIRED "
                                     "or TIMED_OUT");
  }
  engine::RunView finished;
  const Exit exit =
      write_store(globals, {}, "",
                  [&](engine::Store& store) -> Status {
                    auto run = store.find(a.run);
                    if (!run.ok()) {
                      return run.status();
                    }
                    CAIRN_TRY(store.finish(**run, status, engine::Durability::kDefault, a.error.value_or("")));
                    finished = store.view(**run);
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
  auto a = std::make_shared<Arguments>();
  line.add("finish", "End a run", kNotes)
      .argument("RUN", "The run's id", a->run)
      .option("--status", "STATUS", "COMPLETED (default), CANCELED, FAILED, SYSTEM_FAILURE, EXPIRED or TIMED_OUT",
              a->status)
      .option("--error", "TEXT", "Why, at most 4,096 bytes; the status is FAILED then, if none is given", a->error)
      .run([a](const Globals& globals) { return finish(globals, *a); });
}

}  // namespace cairn::tools
