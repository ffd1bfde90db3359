#include <unistd.h>

#include <cstdio>
#include <memory>

#include "api/report/run_line.h"
#include "tools/commands/commands.h"
#include "tools/input/line_reader.h"
#include "tools/output/json_output.h"
#include "tools/output/progress.h"
#include "tools/output/report.h"
#include "tools/output/stage_note.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kImportNotes =
    R"help(Reads lines as `cairn export` writes them, from FILE or stdin, and puts those runs into the store.
If there is no store, it makes one. The runs keep their id, status, task, tags, parent, root, times,
sequence, error, metadata, details, payload and output. Batches and idempotency keys are the
server's that made them, and stay there. Only "id" is required: a line without the rest is a run
that is EXECUTING as of now and has no metadata. Blank lines are skipped.

A line is imported whole or not at all. The import stops at the first line that is wrong or whose
run is in the store already; the lines before it are imported. Runs that another store owns
("foreign":true) are skipped. At the end the command prints the counts, and all that it counts as
imported is on disk.

Examples:
  cairn import runs.jsonl
  cairn export --store old | cairn import --store new --skip-existing
  echo '{"id":"r1","task":"resize","metadata":{"progress":0}}' | cairn import)help";

struct ImportArguments {
  std::string file;
  std::optional<uint64_t> limit;
  bool replace = false, skip_existing = false, keep_going = false;
};

struct Counts {
  uint64_t imported = 0, replaced = 0, skipped = 0, failed = 0;
};

constexpr uint64_t kLinesBetweenSteps = 256;  // so that the log does not grow with the input

// What is wrong with a line is not wrong with the next one.
bool is_of_the_line(Code code) { return static_cast<int>(code) < static_cast<int>(Code::kClosed); }

Status import_line(engine::Store& store, const ImportArguments& a, const std::string& line, Counts& counts) {
  auto run = report::parse_run_line(line, wall_us());
  if (!run.ok()) {
    return run.status();
  }
  if (run->foreign) {
    ++counts.skipped;
    return {};
  }
  const std::string id = run->id;
  Status s = store.import_run(*run, false, engine::Durability::kProcess);
  if (s.code == Code::kExists && a.skip_existing) {
    ++counts.skipped;
    return {};
  }
  if (s.code == Code::kExists && a.replace) {
    s = store.import_run(std::move(*run), true, engine::Durability::kProcess);
    counts.replaced += s.ok() ? 1 : 0;
    return s;
  }
  counts.imported += s.ok() ? 1 : 0;
  if (s.code == Code::kInvalidArgument) {  // of the line, not of the command line
    return engine::fail(Status(Code::kInvalidJson, s.what), engine::error_detail().message, id.substr(0, 80));
  }
  return s.code == Code::kExists
             ? engine::fail(s, "a run of this id is in the store: give --skip-existing or --replace", id)
             : s;
}

// The last status that is not of a single line; `exit` is that of the first line that failed.
Status import_lines(const Globals& globals, engine::Store& store, const ImportArguments& a, LineReader& lines,
                    Counts& counts, Exit& exit) {
  StageNote stage(globals.json);
  std::string line;
  while (!interrupted()) {
    auto more = lines.next(line);
    if (!more.ok() || !*more) {
      return more.status();
    }
    const Status s = import_line(store, a, line, counts);
    if (!s.ok()) {
      if (!is_of_the_line(s.code)) {
        return s;
      }
      ++counts.failed;
      const Exit said = report_error(globals, s, "line " + std::to_string(lines.number()),
                                     {{}, {}, store.options().metadata_bytes_max});
      exit = exit == Exit::kDone ? said : exit;
      if (!a.keep_going) {
        return {};
      }
    }
    stage.show(progress_of_bytes("the file", lines.bytes_read(), lines.bytes(), stage.elapsed_ms()));
    if (lines.number() % kLinesBetweenSteps == 0) {
      CAIRN_TRY(store.step(0));
    }
  }
  return {};
}

void print_counts(const Globals& globals, const Counts& counts) {
  if (globals.json) {
    engine::Object o;
    o.push_back({"imported", engine::Value(counts.imported)});
    o.push_back({"replaced", engine::Value(counts.replaced)});
    o.push_back({"skipped", engine::Value(counts.skipped)});
    o.push_back({"failed", engine::Value(counts.failed)});
    print_json(std::move(o));
  } else {
    std::printf("%llu imported, %llu replaced, %llu skipped, %llu failed\n",
                static_cast<unsigned long long>(counts.imported), static_cast<unsigned long long>(counts.replaced),
                static_cast<unsigned long long>(counts.skipped), static_cast<unsigned long long>(counts.failed));
  }
}

Exit import(const Globals& globals, const ImportArguments& a) {
  engine::error_detail() = {};
  LineReader lines;
  if (const Status s = lines.open(a.file.empty() ? "-" : a.file); !s.ok()) {
    if (interrupted()) {
      note(globals, "interrupted: nothing was imported");
      die_of_interrupt();
    }
    return report_error(globals, s);
  }
  if ((a.file.empty() || a.file == "-") && isatty(STDIN_FILENO) == 1) {
    note(globals, "reading runs from the terminal; end them with Ctrl-D");
  }
  Counts counts;
  Exit of_lines = Exit::kDone;
  const Exit exit = write_store(globals, {a.limit, true}, "", [&](engine::Store& store) {
    const Status s = import_lines(globals, store, a, lines, counts, of_lines);
    const engine::ErrorDetail detail = engine::error_detail();
    CAIRN_TRY(store.barrier());
    engine::error_detail() = detail;
    return interrupted() ? Status() : s;
  });
  if (exit == Exit::kDone) {
    print_counts(globals, counts);  // else nobody knows what is on the disk
  }
  if (exit == Exit::kDone && interrupted()) {
    note(globals, "interrupted after line " + std::to_string(lines.number()) + ": what was imported is on disk");
    die_of_interrupt();
  }
  return exit != Exit::kDone ? exit : of_lines;
}

}  // namespace

void add_import(CommandLine& line) {
  auto a = std::make_shared<ImportArguments>();
  line.add("import", "Put runs from JSON lines into the store", kImportNotes)
      .optional_argument("FILE", "The file to read (default: -, which is stdin)", a->file)
      .flag("--replace", "Replace a run that is in the store already", a->replace)
      .flag("--skip-existing", "Keep a run that is in the store already", a->skip_existing)
      .flag("--keep-going", "Continue after a bad line; the exit code is that of the first one", a->keep_going)
      .metadata_limit(a->limit)
      .excludes("--replace", {"--skip-existing"})
      .run([a](const Globals& globals) { return import(globals, *a); });
}

}  // namespace cairn::tools
