#include "tools/store/open_store.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "engine/json/json.h"
#include "engine/maintenance/slots.h"
#include "engine/store/run_for_update.h"
#include "tools/input/command_line.h"
#include "tools/output/json_output.h"
#include "tools/store/relay_socket.h"
#include "tools/store/remote_store.h"
#include "tools/store/slot_directory.h"

namespace cairn::tools {

using engine::Store;
using engine::StoreReader;

std::optional<std::string> store_directory(const Globals& globals) {
  if (globals.store.empty()) {
    report_usage(globals, "which store? Give --store DIR or set CAIRN_STORE");
    return std::nullopt;
  }
  if (is_server(globals.store)) {
    report_usage(
        globals,
        "this command works on the files of a store: run it where its directory is, with --store DIR; on a URL "
        "work start, resume, set, append, remove, increment, del, apply, finish, erase, get, show, ls, watch, "
        "why, export and sync --dead");
    return std::nullopt;
  }
  if (!globals.token_file.empty() || !globals.ca_file.empty()) {
    report_usage(globals, "--token-file and --ca-file are for a server: --store is a directory");
    return std::nullopt;
  }
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(globals.store, error);
  if (error) {
    report_usage(globals, globals.store + ": " + error.message());
    return std::nullopt;
  }
  return path.string();
}

std::optional<uint32_t> metadata_limit(const Globals& globals, std::optional<uint64_t> option) {
  if (option) {
    return static_cast<uint32_t>(*option);
  }
  constexpr const char* kVariable = "TASK_RUN_METADATA_MAXIMUM_SIZE";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): only a setenv beside it would race, and nothing here calls it
  const char* variable = std::getenv(kVariable);
  if (variable == nullptr || variable[0] == '\0') {
    return 4096;
  }
  const auto bytes = parse_whole(variable, kMetadataLimit);
  if (!bytes) {
    report_usage(globals, std::string(kVariable) + " takes " + range_text(kMetadataLimit) + ", in bytes, not '" +
                              variable + "'");
    return std::nullopt;
  }
  return static_cast<uint32_t>(*bytes);
}

std::unique_ptr<StoreReader> open_reader(const Globals& globals, bool salvage, Exit& exit) {
  const auto directory = store_directory(globals);
  if (!directory) {
    exit = Exit::kUsage;
    return nullptr;
  }
  auto reader = open_reader(globals, *directory, salvage);
  if (!reader.ok()) {
    exit = report_error(globals, reader.status());
    return nullptr;
  }
  return std::move(*reader);
}

Result<std::unique_ptr<StoreReader>> open_reader(const Globals& globals, const std::string& directory, bool salvage) {
  engine::error_detail() = {};
  StoreReader::Options options;
  options.directory = directory;
  options.salvage = salvage;
  show_notices(options.hooks, globals);
  if (salvage && !engine::StoreLock::look(directory).held) {
    options.patience_ms = 0;  // nothing moves: the first look is the last
  }
  return StoreReader::open(std::move(options));
}

void note_salvaged(const Globals& globals, const StoreReader& reader, const std::string& done,
                   const std::string& which) {
  if (const std::string& problem = reader.report().tables_problem; !problem.empty()) {
    note(globals, which + "the tables could not be read to their end (" + problem + "): what is " + done +
                      " is what could be salvaged");
  }
}

void show_notices(engine::Hooks& hooks, const Globals& globals) {
  hooks.context = const_cast<Globals*>(&globals);
  hooks.log = [](void* context, engine::LogLevel level, Code, const char* message) {
    if (level >= engine::LogLevel::kInfo) {
      const std::string text = message;
      // Of an upstream: a command ends, and what it did not send waits for the next one.
      note(*static_cast<const Globals*>(context), text.substr(0, text.find("; tried again in ")));
    }
  };
}

Exit write_store(const Globals& globals, const WriteOptions& options, const std::string& doing,
                 const std::function<Status(Store&)>& work, const Subject& subject) {
  const auto directory = store_directory(globals);
  const auto limit = metadata_limit(globals, options.limit);
  if (!directory || !limit) {
    return Exit::kUsage;
  }
  if (is_directory_of_slots(*directory)) {
    const std::string relay = relay_of_slots(*directory);
    return report_usage(
        globals, *directory + " holds slots, each a store of its own: say which to change, as --store " + *directory +
                     "/" + engine::slot_name(0) + " (`cairn slots` lists them)" +
                     (relay.empty() ? "" : "; or ask the relay, for the worker that has the run: --store " + relay));
  }
  engine::error_detail() = {};
  engine::StoreOptions store_options;
  store_options.directory = *directory;
  store_options.create = options.create;
  store_options.durability = engine::Durability::kPower;
  store_options.metadata_bytes_max = *limit;
  store_options.mark_crashed = false;
  store_options.background = false;
  store_options.guard_sigbus = true;
  store_options.need_staging_dir = true;
  show_notices(store_options.hooks, globals);
  auto store = Store::open(std::move(store_options));
  if (!store.ok()) {
    return report_error(globals, store.status());
  }
  const Status status = work(**store);
  const engine::ErrorDetail detail = engine::error_detail();
  (void)(*store)->keep_room();
  const Status closed = (*store)->close(0);
  if (!status.worked()) {
    engine::error_detail() = detail;
    return report_error(globals, status, doing, {subject.run, subject.key, *limit});
  }
  if (!closed.ok()) {
    return report_error(globals, closed, "the change is on disk, but the store could not be closed cleanly");
  }
  return Exit::kDone;
}

Exit write_run(const Globals& globals, const WriteOptions& options, const std::string& id, const std::string& doing,
               const std::function<Status(Store&, engine::Run&)>& work, const std::optional<std::string>& key) {
  const auto update = [&](Store& store) {
    auto run = engine::run_for_update(store, id);
    return run.ok() ? work(store, **run) : run.status();
  };
  return write_store(globals, options, doing, update, {id, key});
}

namespace {

void print_became(const Globals& globals, const std::string& id, const std::string& became, uint64_t sequence) {
  if (globals.json) {
    print_json({{"id", engine::Value(id)}, {"outcome", engine::Value(became)}, {"sequence", engine::Value(sequence)}});
  }
}

Exit write_remote_operation(const Globals& globals, const WriteOptions& options, const std::string& id,
                            const engine::Operation& op) {
  Exit exit = Exit::kDone;
  const auto remote = RemoteStore::open(globals, exit, options.limit);
  if (!remote) {
    return exit;
  }
  RemoteStore::InTurn done;
  Status status = remote->apply(id, {op}, done);
  engine::Outcome outcome;
  if (status.ok() && engine::outcome_from_text(done.outcomes.empty() ? "" : done.outcomes[0], outcome) &&
      outcome.kind == engine::OutcomeKind::kUnapplied) {
    status = engine::fail_unapplied(op.key, outcome.reason);
  }
  if (!status.ok()) {
    return remote->report(status, "", {id, op.key});
  }
  print_became(globals, id, done.outcomes.empty() ? "unchanged" : done.outcomes[0], done.sequence);
  return Exit::kDone;
}

}  // namespace

Exit write_operation(const Globals& globals, const WriteOptions& options, const std::string& id,
                     const engine::Operation& op) {
  if (RemoteStore::is_for(globals)) {
    return write_remote_operation(globals, options, id, op);
  }
  const char* became = "unchanged";
  uint64_t sequence = 0;
  const auto apply = [&](Store& store, engine::Run& run) {
    engine::Outcome outcome;
    const Status status = store.apply(run, op, outcome);
    became = status.ok() ? "applied" : status.code == Code::kAccepted ? "accepted" : became;
    sequence = run.version.load();
    return status;
  };
  const Exit exit = write_run(globals, options, id, "", apply, op.key);
  if (exit == Exit::kDone) {
    print_became(globals, id, became, sequence);
  }
  return exit;
}

}  // namespace cairn::tools
