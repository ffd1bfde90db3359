#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>

#include "engine/json/json.h"
#include "engine/maintenance/slots.h"
#include "engine/store/upstream.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/progress.h"
#include "tools/output/report.h"
#include "tools/output/stage_note.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/relay/relay.h"
#include "tools/store/open_source.h"
#include "tools/store/open_store.h"
#include "tools/store/server_link.h"
#include "tools/store/slot_directory.h"
#include "tools/sync/carrier.h"
#include "tools/sync/live_owner.h"
#include "tools/sync/summary.h"
#include "tools/sync/upstream_way.h"

namespace cairn::tools {

namespace {

using engine::Store;
using engine::Upstream;
using engine::Value;
using engine::sync::Way;
using Release = engine::sync::Outbox::Release;

constexpr const char* kSyncNotes =
    R"help(Sends what this store has and its upstream does not have yet, by hand or from cron. The upstream
is a `cairn serve`. From the first call on, the store keeps for it what changed; the first time
all runs are sent. Each change arrives exactly once, whatever is lost or killed on the way. What
was not sent before the deadline waits for the next call.

A token comes from --token-file or from CAIRN_TOKEN. Once the upstream has answered, its URL and
the paths of --token-file and --ca-file are remembered, but never the token itself.

A store that a live worker has open is sent by that worker, and the command only says how far it
is. If --store is a directory of slots, those whose workers are gone are sent one after the other.

With --via-folder the messages are files in DIR, for places without a network: run it here, carry
DIR to the other side (a stick, a mirror), run `cairn serve --via-folder DIR` there, bring DIR
back, and run it here again. Beside the changes goes a question for what others wrote of the
unfinished runs; its answer is taken once the changes are acknowledged.

With --relay the command is the relay of a directory of slots, and runs until Ctrl-C or SIGTERM.
Workers send to DIR/relay.sock (their upstream is unix:DIR/relay.sock, which needs no token and
which only this user reaches). What they send is kept in the store DIR/relay and goes on in one
stream, with the options that a sync has. Slots that had no owner for some seconds are sent,
too: a worker that takes one up again comes first. A slot that cannot be sent is named once and
passed over, also one that has sent to another upstream before. At the end the relay sends what
it and slots without an owner have, until --deadline or a second signal, and its exit code says
what is left, of slots that were passed over, too. While it runs, `cairn sync` on DIR says how far
it is.

A store that was moved or copied sends nothing until you say which it was: --moved continues as
before, --copied makes it a store of its own. A run that the upstream refuses is held back, and
the others are sent. --dead lists the runs that are held; --retry, --skip and --replace decide
about one, --retry-all about all.

Exit codes:
  0   the upstream has everything
  65  some runs are held, all others are sent
  75  something still waits to be sent
  76  say --moved or --copied first
  77  the token or a certificate is refused, or it is no `cairn serve` that answers; it will fail
      again until somebody changes something

Examples:
  cairn sync --upstream https://relay.example:4020 --token-file ~/.cairn-token
  cairn sync --deadline 60s                      again, from cron
  cairn sync --via-folder /media/stick
  cairn sync --slots metadata --relay --upstream https://relay.example:4020 --token-file token
  cairn sync --dry-run                           what would be sent
  cairn sync --replace $run                      send all of a run that was refused)help";

constexpr size_t kLettersAtOnce = 1000;

struct SyncArguments {
  std::string upstream, token_file, ca_file, folder, retry, skip, replace;
  std::string slots;
  std::optional<uint64_t> limit, batch_runs;
  int64_t deadline_ms = 60'000, retain_finished_ms = 0;
  bool relay = false;
  bool once = false, moved = false, copied = false, dead = false, dry_run = false, detach = false, retry_all = false;
};

Exit show_dead(const Globals& globals) {
  Exit exit = Exit::kDone;
  const auto source = open_source(globals, false, exit);
  if (!source) {
    return exit;
  }
  bool none = true;
  const Status status = source->each_dead([&](const DeadRun& dead) {
    none = false;
    const char* const id = dead.id.c_str();
    if (globals.json) {
      print_json({{"id", Value(dead.id)},
                  {"reason", Value(dead.reason)},
                  {"text", Value(dead.text)},
                  {"since", Value(iso_time(dead.since_us))}});
      return !interrupted();
    }
    std::printf("%s  %s: %s  since %s\n", id, dead.reason.c_str(), printable(dead.text).c_str(),
                iso_time(dead.since_us).c_str());
    if (dead.reason == engine::sync::verdict_name(engine::sync::VerdictCode::kNotOwner)) {
      std::printf(
          "  to bring it all the same: cairn export %s, give the line another \"id\", cairn import; then cairn "
          "sync --skip %s and cairn erase %s\n",
          id, id, id);
    }
    return !interrupted();
  });
  if (interrupted()) {
    die_of_interrupt();
  }
  if (!status.ok()) {
    return report_error(globals, status);
  }
  if (none && !globals.json) {
    std::printf("no dead letters\n");
  }
  return source->report_unread("listed");
}

/// Every refused change is sent again. Those that are refused again come back as new letters, behind what was looked at.
Status retry_all(const Globals& globals, Store& store) {
  std::vector<std::pair<std::string, engine::sync::DeadLetter>> letters;
  std::string after;
  uint64_t count = 0;
  do {
    CAIRN_TRY(store.upstream().dead_letters(kLettersAtOnce, letters, after));
    for (const auto& [id, letter] : letters) {
      CAIRN_TRY(store.upstream().release_dead(id, Release::kRetry));
      after = id;
      ++count;
    }
  } while (letters.size() == kLettersAtOnce);
  note(globals, counted(count, "refused change is", "refused changes are") + " sent again");
  return {};
}

/// What the options say before anything is sent. `exit` is changed if they make no sense with this store.
Status attach(const Globals& globals, const SyncArguments& a, const Upstream::State& before, const Way& way,
              Store& store, Exit& exit) {
  engine::sync::SenderOptions sender;
  // Over a folder a question goes beside the batches (Carrier::ask_carried): in turn with them it would delay them.
  sender.poll_interval_ms = a.folder.empty() ? engine::sync::kPollIntervalMs : 0;
  const bool goes_on = before.sender.attached || !a.folder.empty();
  std::string name = !a.upstream.empty() ? way.address
                     : !goes_on          ? ""
                     : a.dry_run         ? before.sender.upstream
                                         : way.address;
  if (!a.folder.empty()) {
    name = before.sender.upstream;
    name = name.empty() ? kFolderName : name;
    sender.limits = {engine::sync::kEntriesMax, 4u << 20};  // a journey each
  }
  const bool decides = a.retry_all || !a.retry.empty() || !a.skip.empty() || !a.replace.empty();
  if ((name.empty() && !decides) || (name == kFolderName && a.folder.empty() && !a.dry_run)) {
    exit = report_usage(globals, before.sender.upstream.empty() ? "no upstream is known: give --upstream URL, or "
                                                                  "--via-folder DIR"
                                 : before.sender.attached
                                     ? before.sender.upstream +
                                           " has not answered yet, so it is not remembered: give "
                                           "--upstream URL once more, or --via-folder DIR"
                                     : "the store was detached: give --upstream URL, or --via-folder DIR, to go on");
    return {};
  }
  if (a.dry_run) {
    return {};
  }
  if (a.batch_runs) {
    sender.limits.entries = *a.batch_runs;
    sender.limits.bytes = 4u << 20;
  }
  if (!name.empty()) {
    CAIRN_TRY(store.upstream().attach(name, sender));
  }
  if (a.moved || a.copied) {
    uint64_t dropped = 0;
    CAIRN_TRY(store.upstream().resolve_copy(a.moved, &dropped));
    if (dropped > 0) {
      note(globals, counted(dropped, "run") + " owned elsewhere had changes waiting: the other store sends those");
    }
  }
  if (a.retry_all) {
    CAIRN_TRY(retry_all(globals, store));
  }
  for (const auto& [id, how] : {std::pair(a.retry, Release::kRetry), std::pair(a.skip, Release::kSkip),
                                std::pair(a.replace, Release::kReplace)}) {
    if (!id.empty()) {
      const Status released = store.upstream().release_dead(id, how);
      if (released.code == Code::kNotFound) {
        exit = report_error(globals, released);
        return {};
      }
      CAIRN_TRY(released);
    }
  }
  return {};
}

/// Something about this one store, which only its owner can do.
bool is_of_one_store(const SyncArguments& a) {
  return a.moved || a.copied || a.detach || a.retry_all || !a.retry.empty() || !a.skip.empty() || !a.replace.empty();
}

Status drive_shown(const Globals& globals, Store& store, Carrier& carrier, int64_t until_ms, DriveResult& driven) {
  StageNote stage(globals.json);
  return drive(store, carrier, until_ms, driven, [&](const DriveResult& r) {
    const uint64_t total = std::max(r.waited_runs, r.waiting_runs);
    stage.show(progress_text("run", total - r.waiting_runs, total, stage.elapsed_ms()));
  });
}

/// `slot`: of a directory of slots which one it is; "": it is a store of its own.
Exit sync_store(const Globals& globals, const SyncArguments& a, const std::string& slot) {
  std::unique_ptr<Carrier> carrier;
  std::set<std::string> warned;
  const auto open_http = [&](const std::string& url, const Way& way) -> Status {
    CAIRN_TRY_ASSIGN(carrier, make_http_carrier({url, a.token_file, way.token_file, way.ca_file,
                                                 std::clamp<int64_t>(a.deadline_ms, 1, 30'000)}));
    if (!carrier->warning.empty() && warned.insert(carrier->warning).second) {
      note(globals, carrier->warning);
    }
    return {};
  };
  if (!a.upstream.empty()) {
    // Before a store is opened or attached.
    if (const Status status = open_http(a.upstream, {{}, a.token_file, a.ca_file}); !status.ok()) {
      return report_error(globals, status);
    }
  }
  if (!a.folder.empty()) {
    // Also where nothing waits: a stick that is not there is told before anybody counts on it.
    std::error_code error;
    if (!std::filesystem::is_directory(a.folder, error)) {
      const int cause = error ? error.value() : ENOTDIR;
      return report_error(globals,
                          engine::fail(Status(Code::kIo, "folder", cause), "--via-folder: no directory", a.folder));
    }
  }
  if (const auto directory = store_directory(globals); directory && !is_of_one_store(a)) {
    if (const auto told = report_live_owner(globals, *directory, slot); told) {
      return *told;
    }
  }
  Exit exit = Exit::kDone;
  WriteOptions options;
  options.limit = a.limit;
  const Exit written = write_store(globals, options, "cannot sync", [&](Store& store) -> Status {
    if (a.detach) {
      return store.upstream().detach();
    }
    Upstream::State state;
    CAIRN_TRY(store.upstream().state(state));
    const Way way = way_to({a.upstream, a.token_file, a.ca_file}, state.sender);
    CAIRN_TRY(attach(globals, a, state, way, store, exit));
    if (exit != Exit::kDone || !store.upstream().attached()) {
      return {};
    }
    DriveResult driven;
    if (a.dry_run) {
      CAIRN_TRY(store.checkpoint());
      CAIRN_TRY(store.upstream().state(state));
    } else {
      if (!a.folder.empty()) {
        carrier = make_folder_carrier(a.folder);
      } else {
        CAIRN_TRY(open_http(a.upstream.empty() ? way.address : a.upstream, way));
      }
      CAIRN_TRY(carrier->take_carried(store));
      const Status went = drive_shown(globals, store, *carrier, monotonic_ms() + a.deadline_ms, driven);
      if (!carrier->mended.empty()) {
        note(globals, carrier->mended);
      }
      CAIRN_TRY(went);
      CAIRN_TRY(carrier->ask_carried(store));
      if (driven.answered && a.folder.empty()) {
        CAIRN_TRY(store.upstream().remember_way(way));
      }
      CAIRN_TRY(store.upstream().state(state));
    }
    print_sync_report(globals, state, driven, carrier.get(), a.dry_run, interrupted(), slot);
    exit = a.dry_run ? Exit::kDone : exit_of_sync(state, driven);
    return {};
  });
  if (interrupted()) {
    die_of_interrupt();
  }
  return written != Exit::kDone ? written : exit;
}

/// One after the other, within the deadline of all. The worst decides how it ends.
Exit sync_slots(const Globals& globals, const SyncArguments& a, const std::string& directory) {
  if (is_of_one_store(a) || !a.folder.empty()) {
    return report_usage(globals, "this is of one store: say which slot, as --store " + directory + "/" +
                                     engine::slot_name(0) + " (`cairn slots` lists them)");
  }
  const auto numbers = engine::list_slots(directory);
  if (!numbers.ok()) {
    return report_error(globals, numbers.status());
  }
  if (const auto told = report_relay(globals, directory, *numbers); told) {
    return *told;
  }
  const int64_t until_ms = monotonic_ms() + a.deadline_ms;
  Exit exit = Exit::kDone;
  for (const uint32_t number : *numbers) {
    Globals one = globals;
    one.store = directory + "/" + engine::slot_name(number);
    if (!is_store(one.store)) {
      continue;  // it is being made
    }
    SyncArguments of_slot = a;
    of_slot.deadline_ms = std::max<int64_t>(until_ms - monotonic_ms(), 1);
    const Exit ended = sync_store(one, of_slot, engine::slot_name(number));
    std::fflush(stdout);
    if (ended != Exit::kDone && ended != Exit::kTryLater && ended != Exit::kBadData) {
      note(globals, engine::slot_name(number) + " was not synced");
    }
    exit = std::max(exit, ended);
  }
  return exit;
}

Exit relay(const Globals& globals, const SyncArguments& a) {
  Globals chosen = globals;
  if (!a.slots.empty()) {
    chosen.store = a.slots;
  }
  const auto directory = store_directory(chosen);
  const auto limit = metadata_limit(globals, a.limit);
  if (!directory || !limit) {
    return Exit::kUsage;
  }
  std::filesystem::path plain;  // the same without what only spells it: workers name the socket in there
  for (const std::filesystem::path& part : std::filesystem::path(*directory)) {
    if (!part.empty() && part != ".") {
      plain /= part;
    }
  }
  return run_relay(chosen, {plain.string(),
                            {a.upstream, a.token_file, a.ca_file},
                            a.deadline_ms,
                            a.retain_finished_ms,
                            *limit,
                            static_cast<uint32_t>(a.batch_runs.value_or(0))});
}

Exit sync(const Globals& globals, const SyncArguments& a) {
  if (a.relay) {
    return relay(globals, a);
  }
  if (a.dead) {
    Globals reading = globals;
    if (is_server(globals.store)) {  // whose token and certificates they are then
      reading.token_file = a.token_file.empty() ? globals.token_file : a.token_file;
      reading.ca_file = a.ca_file.empty() ? globals.ca_file : a.ca_file;
    }
    return show_dead(reading);
  }
  const auto directory = store_directory(globals);
  if (!directory) {
    return Exit::kUsage;
  }
  return is_directory_of_slots(*directory) ? sync_slots(globals, a, *directory) : sync_store(globals, a, "");
}

}  // namespace

void add_sync(CommandLine& line) {
  auto a = std::make_shared<SyncArguments>();
  line.add("sync", "Send what the upstream does not have yet", kSyncNotes)
      .option("--upstream", "URL", "https://HOST:PORT, http://127.0.0.1:PORT or unix:PATH; is remembered", a->upstream)
      .option("--token-file", "FILE", "The upstream's token, in a file that others cannot read", a->token_file)
      .option("--ca-file", "FILE", "Certificates (PEM) to trust instead of the system's", a->ca_file)
      .option("--via-folder", "DIR", "Exchange messages and answers as files in DIR", a->folder)
      .duration("--deadline", "Give up after this long: 60s (default), 5m, 500ms", a->deadline_ms)
      .flag("--once", "End when all is sent or the deadline passes; this is always so", a->once)
      .flag("--dry-run", "Only print what waits; send and change nothing", a->dry_run)
      .flag("--moved", "It was moved or restored here: take what is newer upstream and continue", a->moved)
      .flag("--copied", "The store is a copy: make it a store of its own", a->copied)
      .flag("--dead", "List the runs that the upstream refused", a->dead)
      .option("--retry", "RUN", "Send a refused change again", a->retry)
      .flag("--retry-all", "Send all refused changes again", a->retry_all)
      .option("--skip", "RUN", "Give up a refused change: the upstream never gets it", a->skip)
      .option("--replace", "RUN", "Send all of a refused run of this store, over what others wrote", a->replace)
      .number("--batch-runs", "N", "At most this many runs in one message (default 1000)",
              {1, engine::sync::kEntriesMax}, a->batch_runs)
      .metadata_limit(a->limit)
      .flag("--relay", "Run as the relay of a directory of slots, until Ctrl-C", a->relay)
      .option("--slots", "DIR", "The directory that the slots are in (default: that of --store)", a->slots)
      .duration("--retain-finished", "The relay erases runs so long after they ended: 30d (default: never)",
                a->retain_finished_ms)
      .flag("--detach", "Send nothing any more; what waits is kept for the next --upstream", a->detach)
      .excludes("--dry-run", {"--dead", "--detach", "--upstream", "--via-folder", "--moved", "--copied", "--retry",
                              "--retry-all", "--skip", "--replace"})
      .excludes("--dead", {"--detach", "--upstream", "--via-folder", "--moved", "--copied", "--retry", "--retry-all",
                           "--skip", "--replace"})
      .excludes("--detach",
                {"--upstream", "--via-folder", "--moved", "--copied", "--retry", "--retry-all", "--skip", "--replace"})
      .excludes("--retry-all", {"--retry", "--skip", "--replace"})
      .excludes("--moved", {"--copied"})
      .excludes("--relay", {"--once", "--via-folder", "--dry-run", "--dead", "--detach", "--moved", "--copied",
                            "--retry", "--retry-all", "--skip", "--replace"})
      .only_with("--relay", {"--slots", "--retain-finished"})
      .excludes("--upstream", {"--via-folder"})
      .excludes("--via-folder", {"--token-file", "--ca-file"})
      .run([a](const Globals& globals) { return sync(globals, *a); });
}

}  // namespace cairn::tools
