#include "tools/input/run_filter.h"

#include <optional>
#include <utility>

#include "tools/input/time_argument.h"

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

Subcommand& add_run_times(Subcommand& command, RunTimes& into) {
  return command.option("--since", "TIME", "Only runs that were updated then or later", into.since)
      .option("--until", "TIME", "Only runs that were last updated before then", into.until);
}

std::string read_run_times(const RunTimes& times, int64_t now_us, engine::RunQuery& query) {
  const std::pair<const std::string*, std::optional<int64_t>*> both[] = {{&times.since, &query.updated_from_us},
                                                                         {&times.until, &query.updated_to_us}};
  for (const auto& [text, into] : both) {
    if (!text->empty() && !(*into = parse_time(*text, now_us))) {
      return "'" + *text + "' is not a time; write " + kTimeForms;
    }
  }
  return {};
}

}  // namespace cairn::tools
