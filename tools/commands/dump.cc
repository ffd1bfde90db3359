#include "tools/dump/dump.h"

#include <memory>

#include "tools/commands/commands.h"
#include "tools/output/report.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kDumpNotes =
    R"help(Shows how updates travel through a store. A change is first in a staging slot, where it survives
kill -9. A flush moves it into the log, where it survives power loss. A checkpoint applies the log
to the tables.
  log      one line for each record: LSN, type, run, sequences and the keys that changed
  staging  slots with two buffers each; the newer valid one counts
  tables   the runs as of the last checkpoint
The command changes nothing. It works while another process has the store open, and on a damaged
store as far as its bytes can be read. It ends with 65 if a layer could not be read to its end.
With --json it prints one object a line, whose "kind" says what it is.

Examples:
  cairn dump --wal --lsn 100..120
  cairn dump --staging --json)help";

struct DumpArguments {
  bool log = false, staging = false, tables = false;
  std::string range;
};

bool parse_lsn(std::string_view text, uint64_t& lsn) {
  const auto number = parse_whole(text);
  lsn = number.value_or(0);
  return number.has_value();
}

// "A..B", "A..", "..B" or "A"
bool parse_range(const std::string& text, LsnRange& range) {
  if (text.empty()) {
    return true;
  }
  const size_t dots = text.find("..");
  if (dots == std::string::npos) {
    const bool good = parse_lsn(text, range.first);
    range.last = range.first;
    return good;
  }
  const std::string first = text.substr(0, dots);
  const std::string last = text.substr(dots + 2);
  return text != ".." && (first.empty() || parse_lsn(first, range.first)) &&
         (last.empty() || parse_lsn(last, range.last)) && range.first <= range.last;
}

Exit dump(const Globals& globals, const DumpArguments& a) {
  LsnRange range;
  if (!parse_range(a.range, range)) {
    return report_usage(globals, "--lsn takes A..B, A.. or ..B, not '" + a.range + "'");
  }
  const bool all = !a.log && !a.staging && !a.tables;
  if (!a.range.empty() && !all && !a.log) {
    return report_usage(globals, "--lsn says which log records: the log is not among the parts that are named (--wal)");
  }
  Exit exit = Exit::kDone;
  const auto reader = open_reader(globals, true, exit);
  if (!reader) {
    return exit;
  }
  // One layer that cannot be read does not hide the others.
  const auto part = [&](bool wanted, const auto& print) {
    if (!wanted || interrupted()) {
      return;
    }
    if (const Status s = print(); !s.ok() && !interrupted()) {
      exit = report_error(globals, s);
    }
  };
  part(all || a.log, [&] { return dump_log(globals, *reader, range); });
  part(all || a.staging, [&] { return dump_staging(globals, *reader); });
  part(all || a.tables, [&] { return dump_tables(globals, *store_directory(globals), reader->store().identity()); });
  if (interrupted()) {
    die_of_interrupt();
  }
  return exit;
}

}  // namespace

void add_dump(CommandLine& line) {
  auto a = std::make_shared<DumpArguments>();
  line.add("dump", "Print the log, staging and tables for people", kDumpNotes)
      .flag("--wal", "Only the log, and other parts that are named", a->log)
      .flag("--staging", "Only the staging slots", a->staging)
      .flag("--tables", "Only the tables", a->tables)
      .option("--lsn", "A..B", "Only log records of these LSNs", a->range)
      .run([a](const Globals& globals) { return dump(globals, *a); });
}

}  // namespace cairn::tools
