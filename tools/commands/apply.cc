#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>

#include "engine/json/json.h"
#include "engine/store/run_for_update.h"
#include "tools/commands/commands.h"
#include "tools/input/operations.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"
#include "tools/store/remote_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kApplyNotes =
    R"help(Reads a JSON array of operations from stdin and prints the outcome of each, in order:
  applied          it changed the metadata
  unchanged        there was nothing to change
  unapplied(why)   it does not fit what is there
  accepted         the run is owned by another store, and the operation is sent there
An unapplied operation does not stop the others; the command then ends with 1. Any other error,
such as a result that is too large, stops there, and the operations before it stay applied. What
was applied is on disk when the command ends.

With --atomic either all operations apply or none, even after a crash, and only the size of the
final result must be within the limit. Several RUNs then all get the same operations. Without a
RUN, stdin has one line for each run:
  {"id":ID,"operations":[...]}
A line may also have "parentOperations" and "rootOperations", for the parent and the root of its
run.

Operations (`cairn help operations` says more):
  {"type":"set","key":K,"value":V}        {"type":"delete","key":K}
  {"type":"append","key":K,"value":V}     {"type":"remove","key":K,"value":V}
  {"type":"increment","key":K,"value":N}  {"type":"update","value":{...}} (replaces everything)

Examples:
  cairn apply $run <<'END'
  [{"type":"set","key":"phase","value":"verify"},{"type":"increment","key":"n","value":1}]
  END
  echo '[{"type":"set","key":"stop","value":true}]' | cairn apply --atomic $a $b
  cairn apply --atomic <<'END'
  {"id":"from","operations":[{"type":"increment","key":"left","value":-1}]}
  {"id":"to","operations":[{"type":"increment","key":"left","value":1}]}
  END)help";

constexpr const char* kNothing = "nothing was applied";
constexpr size_t kInputBytesMax = 8u << 20;

struct ApplyArguments {
  std::vector<std::string> runs;
  std::optional<uint64_t> limit;
  bool atomic = false;
};

// All of stdin. Blocks; a signal ends it.
Status read_input(std::string& into) {
  char chunk[64 << 10];
  while (into.size() <= kInputBytesMax) {
    if (!wait_for_input(STDIN_FILENO)) {
      return {Code::kTimeout, "interrupted"};
    }
    const ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
    if (got == 0) {
      return {};
    }
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return engine::fail(Status(Code::kIo, "read", errno), "cannot read the operations from stdin");
    }
    into.append(chunk, static_cast<size_t>(got));
  }
  return engine::fail(Code::kTooLarge, "the operations are more than 8 MiB");
}

void print_outcomes(const Globals& globals, const std::vector<std::string>& outcomes, uint64_t sequence) {
  if (!globals.json) {
    for (const std::string& outcome : outcomes) {
      std::printf("%s\n", outcome.c_str());
    }
    return;
  }
  engine::Array list(outcomes.begin(), outcomes.end());
  engine::Object o;
  o.push_back({"outcomes", engine::Value(std::move(list))});
  o.push_back({"sequence", engine::Value(sequence)});
  print_json(std::move(o));
}

std::string position_text(size_t index) { return "operation " + std::to_string(index) + " (from 0)"; }

/// A run that the input speaks of: by itself, or as another one's parent or root.
using Place = std::pair<std::string, Of>;

// Of an operation on it that did not fail; which of them changed nothing is not told by a transaction.
const char* became_of(engine::Run& run) {
  const engine::RunGuard guard(run.lock);
  return run.record.foreign ? "accepted" : "applied";
}

// Of several runs: what each of them got. `parts`: one for each of `input`.
void print_runs(const Globals& globals, const std::vector<RunOperations>& input,
                const std::vector<RemoteStore::Part>& parts) {
  std::map<std::string, std::pair<const RemoteStore::Part*, uint64_t>> each;
  for (size_t i = 0; i < input.size(); ++i) {
    auto& [part, operations] = each[parts[i].run];
    part = &parts[i];
    operations += input[i].operations.size();
  }
  engine::Array list;
  for (const auto& [id, got] : each) {
    if (!globals.json) {
      std::printf("%s: %llu %s\n", id.c_str(), static_cast<unsigned long long>(got.second), got.first->outcome.c_str());
      continue;
    }
    engine::Object o;
    o.push_back({"id", engine::Value(id)});
    o.push_back({"operations", engine::Value(got.second)});
    o.push_back({"outcome", engine::Value(got.first->outcome)});
    o.push_back({"sequence", engine::Value(got.first->sequence)});
    list.emplace_back(std::move(o));
  }
  if (globals.json) {
    engine::Object o;
    o.push_back({"parts", engine::Value(std::move(list))});
    print_json(std::move(o));
  }
}

// Where in the input operation `index` of all of them stands.
std::string place_text(const std::vector<RunOperations>& input, size_t index) {
  for (const RunOperations& one : input) {
    if (index < one.operations.size()) {
      return (one.line != 0 ? "line " + std::to_string(one.line) + ", " : "") +
             (one.of == Of::kParent ? "parent of "
              : one.of == Of::kRoot ? "root of "
                                    : "") +
             (input.size() > 1 ? "run " + one.run + ", " : "") + position_text(index);
    }
    index -= one.operations.size();
  }
  return "the result";
}

Result<engine::RunRef> run_of(engine::Store& store, const RunOperations& one) {
  if (one.of == Of::kRun) {
    return engine::run_for_update(store, one.run);
  }
  auto run = store.find(one.run);
  if (!run.ok()) {
    return run;
  }
  auto relative = one.of == Of::kParent ? store.parent(**run) : store.root(**run);
  return relative.ok() ? engine::run_for_update(store, (*relative)->id) : relative;
}

void say_place(const std::vector<RunOperations>& input, size_t failed) {
  engine::ErrorDetail& detail = engine::error_detail();
  detail.message = place_text(input, failed) + ": " + detail.message;
}

// All of them, in the store's own directory.
Exit transact(const Globals& globals, const ApplyArguments& a, const std::vector<RunOperations>& input,
              const Subject& subject, std::vector<RemoteStore::Part>& parts) {
  std::map<Place, engine::RunRef> runs;
  const auto work = [&](engine::Store& store) -> Status {
    for (const RunOperations& one : input) {
      if (runs.find({one.run, one.of}) == runs.end()) {
        auto run = run_of(store, one);
        if (!run.ok()) {
          // Of a store that takes no updates the engine does not say which run it was for.
          return engine::error_detail().key.empty()
                     ? engine::fail(run.status(), engine::error_detail().message, one.run.substr(0, 80))
                     : run.status();
        }
        runs.emplace(Place(one.run, one.of), std::move(*run));
      }
    }
    std::vector<engine::Store::RunOperation> list;
    for (const RunOperations& one : input) {
      for (const engine::Operation& op : one.operations) {
        list.push_back({&*runs.at({one.run, one.of}), op});
      }
    }
    size_t failed = SIZE_MAX;
    const Status status = store.transact(list, engine::Durability::kDefault, &failed);
    if (!status.worked() && failed < list.size()) {
      say_place(input, failed);
    }
    for (const RunOperations& one : input) {
      engine::Run& run = *runs.at({one.run, one.of});
      parts.push_back({run.id, became_of(run), run.version.load()});
    }
    return status;
  };
  return write_store(globals, {a.limit, false}, kNothing, work, subject);
}

Exit transact_at_server(const Globals& globals, const ApplyArguments& a, const std::vector<RunOperations>& input,
                        const Subject& subject, std::vector<RemoteStore::Part>& parts) {
  Exit exit = Exit::kDone;
  const auto remote = RemoteStore::open(globals, exit, a.limit);
  if (!remote) {
    return exit;
  }
  size_t failed = SIZE_MAX;
  const Status status = remote->apply_together(input, parts, failed);
  if (!status.ok() && failed != SIZE_MAX) {
    say_place(input, failed);
  }
  return status.ok() ? exit : remote->report(status, kNothing, subject);
}

Exit apply_all_or_none(const Globals& globals, const ApplyArguments& a, const std::vector<RunOperations>& input) {
  const bool of_one = input.size() == 1 && input[0].of == Of::kRun;  // of several the place says which
  const Subject subject = of_one ? Subject{input[0].run} : Subject();
  std::vector<RemoteStore::Part> parts;
  const Exit exit = RemoteStore::is_for(globals) ? transact_at_server(globals, a, input, subject, parts)
                                                 : transact(globals, a, input, subject, parts);
  if (exit == Exit::kDone && a.runs.size() == 1) {
    print_outcomes(globals, std::vector<std::string>(input[0].operations.size(), parts[0].outcome), parts[0].sequence);
  } else if (exit == Exit::kDone) {
    print_runs(globals, input, parts);
  }
  return exit;
}

void say_what_stays(size_t failed) {
  engine::ErrorDetail& detail = engine::error_detail();
  detail.message = position_text(failed) + ": " + detail.message + "; those before it stay applied";
}

Exit apply_in_turn_at_server(const Globals& globals, const ApplyArguments& a,
                             const std::vector<engine::Operation>& operations) {
  Exit exit = Exit::kDone;
  const auto remote = RemoteStore::open(globals, exit, a.limit);
  if (!remote) {
    return exit;
  }
  RemoteStore::InTurn done;
  const Status status = remote->apply(a.runs[0], operations, done);
  if (!status.ok()) {
    if (done.failed != SIZE_MAX) {
      say_what_stays(done.failed);
    }
    exit = remote->report(status, "", {a.runs[0]});
  }
  print_outcomes(globals, done.outcomes, done.sequence);
  const bool unapplied = std::any_of(done.outcomes.begin(), done.outcomes.end(),
                                     [](const std::string& outcome) { return outcome.starts_with("unapplied("); });
  return exit != Exit::kDone ? exit : unapplied ? Exit::kNo : Exit::kDone;
}

Exit apply_in_turn(const Globals& globals, const ApplyArguments& a, const std::vector<engine::Operation>& operations) {
  uint64_t sequence = 0;
  std::vector<std::string> outcomes;
  bool unapplied = false;
  const Exit exit = write_run(globals, {a.limit, false}, a.runs[0], "", [&](engine::Store& store, engine::Run& run) {
    Status stopped;
    for (size_t i = 0; i < operations.size() && !interrupted(); ++i) {
      engine::Outcome outcome;
      // One sync for all of them, below.
      const Status status = store.apply(run, operations[i], outcome, engine::Durability::kProcess);
      if (!status.worked() && status.code != Code::kUnapplied) {
        say_what_stays(i);
        stopped = status;
        break;
      }
      unapplied = unapplied || status.code == Code::kUnapplied;
      outcomes.push_back(status.code == Code::kAccepted ? "accepted" : engine::outcome_text(outcome));
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
                      counted(operations.size(), "operation") + " are applied and on disk");
    die_of_interrupt();
  }
  return exit != Exit::kDone ? exit : unapplied ? Exit::kNo : Exit::kDone;
}

Exit apply(const Globals& globals, const ApplyArguments& a) {
  if (!a.atomic && a.runs.size() != 1) {
    return report_usage(globals, a.runs.empty() ? "RUN is required, but with --atomic (see `cairn apply --help`)"
                                                : "several runs are changed together, or not at all: give --atomic");
  }
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
  if (a.runs.empty()) {
    auto lines = read_run_operations(input);
    return lines.ok() ? apply_all_or_none(globals, a, *lines) : report_error(globals, lines.status(), kNothing);
  }
  auto operations = read_operations(input);
  if (!operations.ok()) {
    return report_error(globals, operations.status(), kNothing, Subject{a.runs.size() == 1 ? a.runs[0] : ""});
  }
  if (!a.atomic) {
    return RemoteStore::is_for(globals) ? apply_in_turn_at_server(globals, a, *operations)
                                        : apply_in_turn(globals, a, *operations);
  }
  std::vector<RunOperations> for_each;
  for (const std::string& run : a.runs) {
    for_each.push_back({run, *operations});
  }
  return apply_all_or_none(globals, a, for_each);
}

}  // namespace

void add_apply(CommandLine& line) {
  auto a = std::make_shared<ApplyArguments>();
  line.add("apply", "Apply operations from stdin to a run, or to several at once", kApplyNotes)
      .arguments("RUN", "The run's id; with --atomic any number of runs", a->runs)
      .flag("--atomic", "Either all operations apply or none", a->atomic)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return apply(globals, *a); });
}

}  // namespace cairn::tools
