#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "engine/json.h"
#include "tools/interrupt.h"
#include "tools/open_store.h"
#include "tools/outcome_text.h"
#include "tools/report.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Reads a JSON array of operations from stdin and prints what became of each, in order:\n"
    "  applied, unchanged (there was nothing to change), or unapplied(why).\n"
    "An unapplied operation does not stop the rest; the command then ends with 1. Another error (a result that is too\n"
    "large) stops there; what came before stays. With --atomic all operations apply or none does, also after a crash,\n"
    "and only the size of the result counts. What was applied is on disk when the command ends.\n"
    "\n"
    "Operations:\n"
    "  {\"type\":\"set\",\"key\":K,\"value\":V}        {\"type\":\"delete\",\"key\":K}\n"
    "  {\"type\":\"append\",\"key\":K,\"value\":V}     {\"type\":\"remove\",\"key\":K,\"value\":V}\n"
    "  {\"type\":\"increment\",\"key\":K,\"value\":N}  {\"type\":\"update\",\"value\":{...}} (replaces everything)\n"
    "\n"
    "Example:\n"
    "  cairn apply $run <<'END'\n"
    "  "
    "[{\"type\":\"set\",\"key\":\"phase\",\"value\":\"verify\"},{\"type\":\"increment\",\"key\":\"phases\",\"value\":1}"
    "]\n"
    "  END";

constexpr size_t kInputBytesMax = 8u << 20;

struct Arguments {
  std::string run, limit;
  bool atomic = false;
};

// All of stdin. Blocks; a signal ends it.
Status read_input(std::string& into) {
  char chunk[64 << 10];
  while (into.size() <= kInputBytesMax) {
    const ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
    if (got == 0) {
      return {};
    }
    if (got < 0) {
      if (errno == EINTR && !interrupted()) {
        continue;
      }
      return interrupted() ? Status(Code::kTimeout, "interrupted")
                           : engine::fail(Status(Code::kIo, "read", errno), "cannot read the operations from stdin");
    }
    into.append(chunk, static_cast<size_t>(got));
  }
  return engine::fail(Code::kTooLarge, "the operations are more than 8 MiB");
}

void print_outcomes(const Globals& globals, const std::vector<engine::Outcome>& outcomes, uint64_t sequence) {
  if (!globals.json) {
    for (const engine::Outcome& outcome : outcomes) {
      std::printf("%s\n", outcome_text(outcome).c_str());
    }
    return;
  }
  engine::Array list;
  for (const engine::Outcome& outcome : outcomes) {
    list.emplace_back(outcome_text(outcome));
  }
  engine::Object o;
  o.push_back({"outcomes", engine::Value(std::move(list))});
  o.push_back({"sequence", engine::Value(sequence)});
  std::printf("%s\n", engine::to_json(engine::Value(std::move(o))).c_str());
}

std::string position_text(size_t index) { return "operation " + std::to_string(index) + " (from 0)"; }

Exit apply_all_or_none(const Globals& globals, const Arguments& a, const std::vector<engine::Operation>& operations) {
  uint64_t sequence = 0;
  std::vector<engine::Outcome> outcomes;
  const Exit exit =
      write_run(globals, {a.limit, false}, a.run, "nothing was applied", [&](engine::Store& store, engine::Run& run) {
        std::vector<engine::Store::RunOperation> list;
        list.reserve(operations.size());
        for (const engine::Operation& op : operations) {
          list.push_back({&run, op});
        }
        size_t failed = SIZE_MAX;
        const Status status = store.transact(list, engine::Durability::kDefault, &failed);
        sequence = run.version.load();
        if (!status.worked() && failed < operations.size()) {
          engine::ErrorDetail& detail = engine::error_detail();
          detail.message = position_text(failed) + ": " + detail.message;
        }
        return status;
      });
  if (exit == Exit::kDone) {
    // Which of them changed nothing is not told by a transaction.
    print_outcomes(globals, std::vector<engine::Outcome>(operations.size()), sequence);
  }
  return exit;
}

Exit apply_in_turn(const Globals& globals, const Arguments& a, const std::vector<engine::Operation>& operations) {
  uint64_t sequence = 0;
  std::vector<engine::Outcome> outcomes;
  bool unapplied = false;
  const Exit exit = write_run(globals, {a.limit, false}, a.run, "", [&](engine::Store& store, engine::Run& run) {
    Status stopped;
    for (size_t i = 0; i < operations.size() && !interrupted(); ++i) {
      engine::Outcome outcome;
      // One sync for all of them, below.
      const Status status = store.apply(run, operations[i], outcome, engine::Durability::kProcess);
      if (!status.worked() && status.code != Code::kUnapplied) {
        engine::ErrorDetail& detail = engine::error_detail();
        detail.message = position_text(i) + ": " + detail.message + "; those before it stay applied";
        stopped = status;
        break;
      }
      unapplied = unapplied || status.code == Code::kUnapplied;
      outcomes.push_back(outcome);
    }
    sequence = run.version.load();
    const engine::ErrorDetail detail = engine::error_detail();
    CAIRN_TRY(store.barrier());
    engine::error_detail() = detail;
    return stopped;
  });
  print_outcomes(globals, outcomes, sequence);
  if (exit == Exit::kDone && outcomes.size() < operations.size()) {
    note(globals, "interrupted: the first " + std::to_string(outcomes.size()) + " of " +
                      std::to_string(operations.size()) + " operations are applied and on disk");
    die_of_interrupt();
  }
  return exit != Exit::kDone ? exit : unapplied ? Exit::kNo : Exit::kDone;
}

Exit apply(const Globals& globals, const Arguments& a) {
  if (isatty(STDIN_FILENO) == 1) {
    note(globals, "reading operations from the terminal; end them with Ctrl-D");
  }
  std::string input;
  if (const Status status = read_input(input); !status.ok()) {
    if (interrupted()) {
      die_of_interrupt();
    }
    return report_error(globals, status);
  }
  auto operations = read_operations(input);
  if (!operations.ok()) {
    return report_error(globals, operations.status());
  }
  return a.atomic ? apply_all_or_none(globals, a, *operations) : apply_in_turn(globals, a, *operations);
}

}  // namespace

void add_apply(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("apply", "Apply operations from stdin to a run", kNotes)
      .argument("RUN", "The run's id", a->run)
      .flag("--atomic", "All or none", a->atomic)
      .option("--limit", "BYTES", "Largest metadata, in bytes of JSON (default 4096)", a->limit)
      .run([a](const Globals& globals) { return apply(globals, *a); });
}

}  // namespace cairn::tools
