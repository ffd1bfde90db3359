#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "engine/json/json.h"
#include "engine/records/run_query.h"
#include "tools/commands/commands.h"
#include "tools/input/run_filter.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/run_row.h"
#include "tools/output/run_text.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_source.h"

namespace cairn::tools {

namespace {

constexpr const char* kLsNotes =
    R"help(Lists runs as of one moment, the most recently updated first. It works while another process has
the store open. "(orphaned)" marks an unfinished run whose process is gone. "(elsewhere)" marks a
run that another store owns: its status is not known here (null with --json) and matches no
--status. "(silent)" marks an unfinished run that came from another store, of which nothing was
heard for a minute although it asks more often: its worker is gone, or cannot reach this store.
With --json it prints one object a line, with the metadata.

If several filters are given, all of them must match. TIME is 2026-11-24 or 2026-11-24T18:30:05Z
in UTC, or 2026-11-24T18:30:05+02:00 with an offset, or an age: 500ms, 90s, 10m, 2h, 3d, 1w.

With --limit it prints one page. If there are more runs, it prints a cursor at the end, with
--json as a last line {"next_cursor":"..."}. --cursor continues from there, with the same filters
and order. A run that does not change meanwhile is neither left out nor shown twice.

Only one filter is looked up in an index: --parent if it is given, else --task, else --status,
else the times. The other filters are compared run by run, and --text reads the metadata of each
run.

Examples:
  cairn ls --status EXECUTING --since 10m
  cairn ls --task backup --tag nightly --limit 20
  cairn ls --parent $run --order id
  cairn ls --from build-7 --status EXECUTING
  cairn ls --status FAILED --text 'out of memory'
  cairn ls --json | jq -r 'select(.metadata.progress < 0.5) | .id')help";

struct LsArguments {
  RunFilterArguments filter;
  RunTimes times;
  std::string order, cursor;
  std::optional<std::string> from;
  std::optional<uint64_t> limit;
  bool salvage = false;
};

// The first rows decide the widths; so the listing of a large store begins at once and takes no memory.
class Table {
 public:
  explicit Table(RunRow head) { add(std::move(head)); }
  ~Table() { flush(); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  void add(RunRow row) {
    if (rows_printed_) {
      print(row);
      return;
    }
    for (size_t i = 0; i < kRunColumns; ++i) {
      widths_[i] = std::max(widths_[i], columns_of(row[i]));
    }
    rows_.push_back(std::move(row));
    if (rows_.size() == kRowsMeasured) {
      flush();
    }
  }

  /// Prints nothing if there is only the head.
  void leave_out_lone_head() { rows_.resize(rows_.size() == 1 ? 0 : rows_.size()); }

 private:
  static constexpr size_t kRowsMeasured = 1000;
  void flush() {
    for (const RunRow& row : rows_) {
      print(row);
    }
    rows_.clear();
    rows_printed_ = true;
  }
  void print(const RunRow& row) const {
    std::string line;
    for (size_t i = 0; i + 1 < kRunColumns; ++i) {
      line += padded(row[i], widths_[i]) + "  ";
    }
    std::printf("%s%s\n", line.c_str(), row[kRunColumns - 1].c_str());
  }
  std::array<size_t, kRunColumns> widths_{};
  std::vector<RunRow> rows_;
  bool rows_printed_ = false;
};

/// What is wrong with the arguments; "" if nothing is.
std::string read_query(const LsArguments& a, int64_t now_us, engine::RunQuery& query) {
  if (std::string wrong = read_run_filter(a.filter, query); !wrong.empty()) {
    return wrong;
  }
  if (std::string wrong = read_run_times(a.times, now_us, query); !wrong.empty()) {
    return wrong;
  }
  if (a.order == "id") {
    query.order = engine::RunOrder::kId;
  } else if (a.order == "oldest") {
    query.order = engine::RunOrder::kOldestFirst;
  } else if (!a.order.empty() && a.order != "newest") {
    return "'" + a.order + "' is not an order; they are newest, oldest and id";
  }
  if (a.from && a.from->empty()) {
    return "--from is given and empty: give the name of a host, or the first digits of a store's id, 4 or more";
  }
  query.from = a.from.value_or("");
  query.limit = a.limit.value_or(0);
  query.cursor = a.cursor;
  return {};
}

Exit ls(const Globals& globals, const LsArguments& a) {
  const int64_t now = wall_us();
  engine::RunQuery query;
  if (const std::string wrong = read_query(a, now, query); !wrong.empty()) {
    return report_usage(globals, wrong);
  }
  Exit exit = Exit::kDone;
  const auto source = open_source(globals, a.salvage, exit);
  if (!source) {
    return exit;
  }
  if (const Status wrong = source->check(query); !wrong.ok()) {
    return report_error(globals, wrong);  // before anything is printed
  }
  Status status;
  std::string next;
  {
    std::unique_ptr<Table> table;
    if (!globals.json) {
      table = std::make_unique<Table>(run_head());
    }
    auto listed = source->list(query, [&](const engine::RunView& run) {
      if (table) {
        table->add(run_row(run, now));
      } else {
        print_json(run_json(run));
      }
      return !interrupted();
    });
    status = listed.status();
    if (!status.ok() && table) {
      table->leave_out_lone_head();
    }
    next = listed.ok() ? std::move(*listed) : std::string();
  }
  if (interrupted()) {
    die_of_interrupt();
  }
  if (!status.ok()) {
    return report_error(globals, status);
  }
  exit = source->report_unread("listed");
  if (!next.empty() && globals.json) {
    print_json({{"next_cursor", engine::Value(next)}});
  } else if (!next.empty()) {
    std::printf("more: the same with --cursor %s\n", next.c_str());
  }
  return exit;
}

}  // namespace

void add_ls(CommandLine& line) {
  auto a = std::make_shared<LsArguments>();
  add_run_times(add_run_filter(line.add("ls", "List the runs of the store", kLsNotes), a->filter), a->times)
      .option("--from", "HOST", "Only runs that came from a store on this host, or whose id begins so", a->from)
      .option("--order", "ORDER", "newest (default) or oldest, by the last update, or id", a->order)
      .number("--limit", "N", "At most this many runs, from 1 to 1,000,000,000 (default: all)", {1, 1'000'000'000},
              a->limit)
      .option("--cursor", "CURSOR", "Continue where the previous page ended", a->cursor)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) { return ls(globals, *a); });
}

}  // namespace cairn::tools
