#include <unistd.h>

#include <cstdio>
#include <memory>

#include "tools/dump.h"
#include "tools/interrupt.h"
#include "tools/line_reader.h"
#include "tools/open_store.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/run_line.h"
#include "tools/stage_note.h"
#include "tools/terminal_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Reads lines as `cairn export` writes them, from FILE or stdin, and puts those runs into the store, which is made "
    "if\n"
    "there is none. They keep id, status, task, tags, parent, root, times, sequence, error and metadata. A line needs "
    "an\n"
    "\"id\" only: without the rest it is an EXECUTING run of now with no metadata. Blank lines are passed over.\n"
    "A line is imported whole or not at all. The first bad line, or run that is in the store already, stops the "
    "import;\n"
    "the lines before it are imported, and all that is counted at the end is on disk. Runs that are owned elsewhere\n"
    "(\"foreign\":true) are skipped. Prints the counts.\n"
    "\n"
    "Examples:\n"
    "  cairn import runs.jsonl\n"
    "  cairn export --store old | cairn import --store new --skip-existing\n"
    "  echo '{\"id\":\"r1\",\"task\":\"resize\",\"metadata\":{\"progress\":0}}' | cairn import";

struct Arguments {
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

Status import_line(engine::Store& store, const Arguments& a, const std::string& line, Counts& counts) {
  auto run = parse_run_line(line, wall_us());
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
Status import_lines(const Globals& globals, engine::Store& store, const Arguments& a, LineReader& lines, Counts& counts,
                    Exit& exit) {
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
      const Exit said = report_error(globals, s, "line " + std::to_string(lines.number()));
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

Exit import(const Globals& globals, const Arguments& a) {
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
  auto a = std::make_shared<Arguments>();
  line.add("import", "Put runs from JSON lines into the store", kNotes)
      .optional_argument("FILE", "The file to read (default: -, which is stdin)", a->file)
      .flag("--replace", "A run that is in the store gives way to the one that is read", a->replace)
      .flag("--skip-existing", "A run that is in the store stays as it is", a->skip_existing)
      .flag("--keep-going", "Go on behind a bad line; the exit code is that of the first", a->keep_going)
      .metadata_limit(a->limit)
      .excludes("--replace", {"--skip-existing"})
      .run([a](const Globals& globals) { return import(globals, *a); });
}

}  // namespace cairn::tools
