// The options that choose runs: --status, --task and so on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/records/run_query.h"
#include "tools/input/command_line.h"

namespace cairn::tools {

struct RunFilterArguments {
  std::vector<std::string> statuses, tags;
  std::string task, parent, root, text;
  [[nodiscard]] bool any() const;
};

/// `into` is kept alive as Subcommand says.
Subcommand& add_run_filter(Subcommand& command, RunFilterArguments& into);

/// Sets them in `query`. Returns what is wrong with them; "" if nothing is.
std::string read_run_filter(const RunFilterArguments& a, engine::RunQuery& query);

/// --since and --until.
struct RunTimes {
  std::string since, until;
  [[nodiscard]] bool any() const { return !since.empty() || !until.empty(); }
};
Subcommand& add_run_times(Subcommand& command, RunTimes& into);
std::string read_run_times(const RunTimes& times, int64_t now_us, engine::RunQuery& query);

}  // namespace cairn::tools
