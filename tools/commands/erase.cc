#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/input/run_filter.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/run_text.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_source.h"
#include "tools/store/open_store.h"
#include "tools/store/remote_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kEraseNotes =
    R"help(Removes runs with their metadata and index entries, finished or not. This cannot be undone: only
their old bytes stay in the log, until the files of the log are used again. The ids are free
afterwards.

One run that is named is erased at once. Of several, and of those that filters pick, it prints how
many there are, and erases them with --yes. The filters are those of `cairn ls`; all that are given
must match, and at least one must be given. Runs that come to match meanwhile are not erased, nor
are those that a server's others change meanwhile.

Examples:
  cairn erase $run
  cairn erase --status COMPLETED --until 30d          how many they are
  cairn erase --status COMPLETED --until 30d --yes)help";

struct EraseArguments {
  std::vector<std::string> runs;
  RunFilterArguments filter;
  RunTimes times;
  [[nodiscard]] bool picks() const { return filter.any() || times.any(); }
  bool yes = false;
};

void print_erased(const Globals& globals, const std::string& id) {
  if (globals.json) {
    print_json({{"id", engine::Value(id)}, {"outcome", engine::Value("erased")}});
  }
}

/// Those of the filters, as of one moment.
Status pick(engine::Store& store, const engine::RunQuery& query, std::vector<std::string>& runs) {
  const auto listed = store.list(
      query,
      [&runs](const engine::RunView& run) {
        runs.push_back(run.record.id);
        return !interrupted();
      },
      !query.text.empty());
  return listed.status();
}

/// Nothing is erased where one of them is not there.
Status check_all(engine::Store& store, const std::vector<std::string>& runs) {
  for (const std::string& id : runs) {
    CAIRN_TRY(store.find(id).status());
  }
  return {};
}

Status erase_all(const Globals& globals, engine::Store& store, const std::vector<std::string>& runs) {
  size_t erased = 0;
  Status status;
  for (; erased < runs.size() && !interrupted(); ++erased) {
    status = store.erase(runs[erased]);
    if (!status.ok()) {
      break;
    }
  }
  CAIRN_TRY(store.barrier());
  for (size_t i = 0; i < erased; ++i) {
    print_erased(globals, runs[i]);
  }
  if (!globals.json) {
    std::printf("%s erased\n", counted(erased, "run").c_str());
  }
  return status;
}

void print_matching(const Globals& globals, size_t runs) {
  if (globals.json) {
    print_json({{"matching_runs", engine::Value(uint64_t{runs})}});
  } else {
    std::printf("%s; --yes erases %s\n", counted(runs, "run").c_str(), runs == 1 ? "it" : "them");
  }
}

struct Picked {
  std::string id;
  std::optional<uint64_t> sequence;  // of one that a filter picked: later it may not fit any more
};

/// Those of the filters; or those that are named, if all are there.
Status pick_at_server(RunSource& source, const EraseArguments& a, engine::RunQuery query, std::vector<Picked>& runs) {
  for (const std::string& id : a.runs) {
    CAIRN_TRY(source.find(id, false).status());
    runs.push_back({id, std::nullopt});
  }
  if (a.runs.empty()) {
    query.limit = 0;
    CAIRN_TRY(source
                  .list(query,
                        [&runs](const engine::RunView& run) {
                          runs.push_back({run.record.id, run.record.sequence});
                          return !interrupted();
                        })
                  .status());
  }
  return {};
}

/// Erases one after the other. What a filter picked and is gone since, or has changed, is passed over.
Status erase_picked(const Globals& globals, RemoteStore& remote, const std::vector<Picked>& runs) {
  size_t erased = 0;
  size_t changed = 0;
  Status status;
  for (const Picked& run : runs) {
    if (interrupted()) {
      break;
    }
    status = remote.erase(run.id, run.sequence);
    const bool is_past = run.sequence && (status.code == Code::kUnchanged || status.code == Code::kNoSuchRun);
    changed += is_past && status.code == Code::kUnchanged ? 1 : 0;
    if (status.ok()) {
      ++erased;
      print_erased(globals, run.id);
    } else if (!is_past) {
      break;
    }
    status = {};
  }
  if (!globals.json) {
    std::printf("%s erased\n", counted(erased, "run").c_str());
  }
  if (changed != 0) {
    note(globals, counted(changed, "run") + " changed meanwhile and stayed");
  }
  return status;
}

Exit erase_at_server(const Globals& globals, const EraseArguments& a, const engine::RunQuery& query) {
  Exit exit = Exit::kDone;
  const auto remote = RemoteStore::open(globals, exit);
  if (!remote) {
    return exit;
  }
  Status status;
  if (a.runs.size() == 1) {
    status = remote->erase(a.runs.front());
    if (status.ok()) {
      print_erased(globals, a.runs.front());
    }
    return status.ok() ? Exit::kDone : remote->report(status);
  }
  const auto source = open_source(globals, false, exit);
  if (source == nullptr) {
    return exit;
  }
  std::vector<Picked> runs;
  if (status = pick_at_server(*source, a, query, runs); !status.ok()) {
    return report_error(globals, status);
  }
  if (!interrupted() && a.yes) {
    status = erase_picked(globals, *remote, runs);
  } else if (!interrupted()) {
    print_matching(globals, runs.size());
  }
  if (interrupted()) {
    die_of_interrupt();
  }
  return status.ok() ? Exit::kDone : remote->report(status);
}

Exit erase(const Globals& globals, const EraseArguments& a) {
  engine::RunQuery query;
  if (a.runs.empty() && !a.picks()) {
    return report_usage(globals, "give a RUN, or at least one filter (--status, --task, --tag, --until, ...)");
  }
  if (const std::string wrong = read_run_filter(a.filter, query); !wrong.empty()) {
    return report_usage(globals, wrong);
  }
  if (const std::string wrong = read_run_times(a.times, wall_us(), query); !wrong.empty()) {
    return report_usage(globals, wrong);
  }
  if (!a.runs.empty() && a.picks()) {
    return report_usage(globals, "RUN and filters exclude each other");
  }
  if (RemoteStore::is_for(globals)) {
    return erase_at_server(globals, a, query);
  }
  const Exit exit = write_store(globals, {}, "", [&](engine::Store& store) -> Status {
    if (a.runs.size() == 1) {
      CAIRN_TRY(store.erase(a.runs.front()));
      CAIRN_TRY(store.barrier());
      print_erased(globals, a.runs.front());
      return {};
    }
    std::vector<std::string> runs = a.runs;
    CAIRN_TRY(runs.empty() ? pick(store, query, runs) : check_all(store, runs));
    if (interrupted()) {
      return {};
    }
    if (a.yes) {
      return erase_all(globals, store, runs);
    }
    print_matching(globals, runs.size());
    return {};
  });
  if (interrupted()) {
    die_of_interrupt();
  }
  return exit;
}

}  // namespace

void add_erase(CommandLine& line) {
  auto a = std::make_shared<EraseArguments>();
  Subcommand& erase_line = line.add("erase", "Remove runs and their metadata for good", kEraseNotes);
  erase_line.arguments("RUN", "The ids of the runs", a->runs).flag("--yes", "Erase them", a->yes);
  add_run_times(add_run_filter(erase_line, a->filter), a->times);
  erase_line.run([a](const Globals& globals) { return erase(globals, *a); });
}

}  // namespace cairn::tools
