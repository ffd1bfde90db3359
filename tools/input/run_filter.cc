#include "tools/input/run_filter.h"

namespace cairn::tools {

bool RunFilterArguments::any() const {
  return !statuses.empty() || !tags.empty() || !task.empty() || !parent.empty() || !root.empty() || !text.empty();
}

Subcommand& add_run_filter(Subcommand& command, RunFilterArguments& into) {
  return command
      .list("--status", "STATUS", "Only runs of this status; if given several times, of any of them", into.statuses)
      .option("--task", "TASK", "Only runs of this task", into.task)
      .list("--tag", "TAG", "Only runs with this tag; if given several times, with all of them", into.tags)
      .option("--parent", "RUN", "Only children of this run", into.parent)
      .option("--root", "RUN", "Only runs that descend from it", into.root)
      .option("--text", "TEXT", "Only runs with this text in id, task, tags or metadata; A-Z equals a-z", into.text);
}

std::string read_run_filter(const RunFilterArguments& a, engine::RunQuery& query) {
  for (const std::string& name : a.statuses) {
    engine::RunStatus status;
    if (!engine::status_from_name(name, status)) {
      return "'" + name + "' is not a status; they are QUEUED, EXECUTING, WAITING, COMPLETED, " +
             "CANCELED, FAILED, CRASHED, SYSTEM_FAILURE, EXPIRED, TIMED_OUT, DELAYED, DEQUEUED and PENDING_VERSION";
    }
    query.statuses |= engine::status_bit(status);
  }
  query.task = a.task;
  query.tags = a.tags;
  query.parent = a.parent;
  query.root = a.root;
  query.text = a.text;
  return {};
}

}  // namespace cairn::tools
