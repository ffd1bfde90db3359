#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "engine/json.h"
#include "tools/interrupt.h"
#include "tools/open_store.h"
#include "tools/report.h"
#include "tools/run_text.h"
#include "tools/terminal_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Lists all runs as of one moment, in the order of their ids; ids that were made for you sort by time. Works beside "
    "a\n"
    "live owner. \"orphaned\" marks an unfinished run whose process is gone. With --json one object a line, with the\n"
    "metadata. Several filters must all hold.\n"
    "\n"
    "Examples:\n"
    "  cairn ls --status EXECUTING\n"
    "  cairn ls --task backup --tag nightly\n"
    "  cairn ls --json | jq -r 'select(.metadata.progress < 0.5) | .id'";

constexpr size_t kColumns = 5;
using Row = std::array<std::string, kColumns>;

struct Arguments {
  std::vector<std::string> statuses, tags;
  std::string task;
  bool salvage = false;
};

// The first rows decide the widths; so the listing of a large store begins at once and takes no memory.
class Table {
 public:
  explicit Table(Row head) { add(std::move(head)); }
  ~Table() { flush(); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  void add(Row row) {
    if (rows_printed_) {
      print(row);
      return;
    }
    for (size_t i = 0; i < kColumns; ++i) {
      widths_[i] = std::max(widths_[i], columns_of(row[i]));
    }
    rows_.push_back(std::move(row));
    if (rows_.size() == kRowsMeasured) {
      flush();
    }
  }

 private:
  static constexpr size_t kRowsMeasured = 1000;
  void flush() {
    for (const Row& row : rows_) {
      print(row);
    }
    rows_.clear();
    rows_printed_ = true;
  }
  void print(const Row& row) const {
    std::string line;
    for (size_t i = 0; i + 1 < kColumns; ++i) {
      line += padded(row[i], widths_[i]) + "  ";
    }
    std::printf("%s%s\n", line.c_str(), row[kColumns - 1].c_str());
  }
  std::array<size_t, kColumns> widths_{};
  std::vector<Row> rows_;
  bool rows_printed_ = false;
};

Row row_of(const engine::RunView& run, int64_t now_us) {
  const auto share = progress_of(run);
  const std::string status = engine::status_name(run.record.status);
  return {run.record.id, run.orphaned ? status + " (orphaned)" : status, printable(run.record.task),
          share ? bar_text(*share, 10) : "", age_text(run.record.updated_us, now_us)};
}

Exit ls(const Globals& globals, const Arguments& a) {
  std::vector<engine::RunStatus> statuses;
  for (const std::string& name : a.statuses) {
    std::string upper = name;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    engine::RunStatus status;
    if (!engine::status_from_name(upper, status)) {
      return report_usage(globals, "'" + name + "' is no status; they are QUEUED, EXECUTING, WAITING, COMPLETED, " +
                                       "CANCELED, FAILED, CRASHED, SYSTEM_FAILURE, EXPIRED, TIMED_OUT, DELAYED, " +
                                       "DEQUEUED and PENDING_VERSION");
    }
    statuses.push_back(status);
  }
  const auto wanted = [&](const engine::RunRecord& r) {
    const auto has_tag = [&r](const std::string& tag) {
      return std::find(r.tags.begin(), r.tags.end(), tag) != r.tags.end();
    };
    return (statuses.empty() || std::find(statuses.begin(), statuses.end(), r.status) != statuses.end()) &&
           (a.task.empty() || r.task == a.task) && std::all_of(a.tags.begin(), a.tags.end(), has_tag);
  };
  Exit exit = Exit::kDone;
  const auto reader = open_reader(globals, a.salvage, exit);
  if (!reader) {
    return exit;
  }
  const int64_t now = wall_us();
  Status status;
  {
    std::unique_ptr<Table> table;
    if (!globals.json) {
      table = std::make_unique<Table>(Row{"ID", "STATUS", "TASK", "PROGRESS", "UPDATED"});
    }
    status = reader->each([&](const engine::RunView& run) {
      if (wanted(run.record)) {
        if (table) {
          table->add(row_of(run, now));
        } else {
          std::printf("%s\n", engine::to_json(engine::Value(run_json(run))).c_str());
        }
      }
      return !interrupted();
    });
  }
  if (interrupted()) {
    die_of_interrupt();
  }
  if (!status.ok()) {
    return report_error(globals, status);
  }
  if (!reader->report().tables_problem.empty()) {
    note(globals, "the tables could not be read to their end (" + reader->report().tables_problem +
                      "): what is listed is what could be salvaged");
  }
  return Exit::kDone;
}

}  // namespace

void add_ls(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("ls", "List the runs of the store", kNotes)
      .list("--status", "STATUS", "Only runs of this status; several: of any of them", a->statuses)
      .option("--task", "TASK", "Only runs of this task", a->task)
      .list("--tag", "TAG", "Only runs with this tag; several: with all of them", a->tags)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) { return ls(globals, *a); });
}

}  // namespace cairn::tools
