#include "engine/maintenance/slots.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"
#include "tools/store/slot_directory.h"

namespace cairn::tools {

namespace {

constexpr const char* kSlotsNotes =
    R"help(Several processes of a machine can each have a store of their own below one directory
(cairn_store_open_slot): the slots slot-000, slot-001, ... Each is a store like any other, so
every command works on it with --store. DIR is the directory that holds the slots (default: that
of --store or CAIRN_STORE). It works while processes have the slots open. A slot that cannot be
read is listed with the reason, and decides the exit code. With --json it prints one object a
line.

ls, show, get, watch, why, export, stats and sync take DIR as --store, too, and work on all slots
at once. A run that several slots have is shown as slot-001/ID, and can be asked for so. ID alone
is the run of the slot that owns it.

DIR/relay is no slot, but the store of the relay (`cairn sync --relay`), which has copies of
runs. These commands leave it out, because the slots have what counts. --store DIR/relay reads
it.

Examples:
  cairn slots metadata
  cairn ls --store metadata --status EXECUTING
  cairn ls --store metadata/slot-000
  cairn slots metadata --json | jq -r 'select(.orphaned_runs > 0) | .store')help";

struct Slot {
  std::string name, store;
  engine::LockOwner owner;
  uint64_t runs = 0, unfinished = 0, orphaned = 0;
  std::string problem;
};

// How to end if it cannot be read, else kDone.
Exit look_at(Slot& slot) {
  slot.owner = engine::StoreLock::look(slot.store);
  std::error_code error;
  if (!std::filesystem::exists(slot.store + "/STORE", error) && !error) {
    return Exit::kDone;  // nothing is born there yet
  }
  engine::StoreReader::Options options;
  options.directory = slot.store;
  auto reader = engine::StoreReader::open(std::move(options));
  Status status = reader.status();
  if (reader.ok()) {
    status = (*reader)->each([&slot](const engine::RunView& run) {
      ++slot.runs;
      slot.unfinished += engine::is_final(run.record.status) ? 0 : 1;
      slot.orphaned += run.orphaned ? 1 : 0;
      return !interrupted();
    });
  }
  if (status.ok()) {
    return Exit::kDone;
  }
  slot.problem = engine::error_text(status);
  return exit_of(status.code);
}

void print_as_json(const Slot& slot) {
  engine::Object o;
  const auto add = [&o](const char* key, engine::Value value) { o.push_back({key, std::move(value)}); };
  add("slot", slot.name);
  add("store", slot.store);
  add("owner_pid", slot.owner.held ? engine::Value(slot.owner.pid) : engine::Value(nullptr));
  if (slot.owner.held) {
    add("owner_alive", slot.owner.alive);
  }
  if (slot.problem.empty()) {
    add("runs", slot.runs);
    add("unfinished_runs", slot.unfinished);
    add("orphaned_runs", slot.orphaned);
  } else {
    add("problem", valid_text(slot.problem));
  }
  print_json(std::move(o));
}

std::string owner_text(const engine::LockOwner& owner) {
  if (owner.held && owner.pid == 0) {
    return owner.elsewhere ? "in another container" : "just opening it";
  }
  return !owner.held ? "none" : std::to_string(owner.pid) + (owner.alive ? "" : " (gone; a child holds the lock)");
}

void print_table(const std::vector<Slot>& slots) {
  std::vector<std::array<std::string, 5>> rows = {{"SLOT", "OWNER", "RUNS", "UNFINISHED", "ORPHANED"}};
  for (const Slot& slot : slots) {
    if (slot.problem.empty()) {
      rows.push_back({slot.name, owner_text(slot.owner), std::to_string(slot.runs), std::to_string(slot.unfinished),
                      std::to_string(slot.orphaned)});
    } else {
      rows.push_back({slot.name, owner_text(slot.owner), "cannot be read: " + printable(slot.problem), "", ""});
    }
  }
  size_t owner_columns = 0;
  for (const auto& row : rows) {
    owner_columns = std::max(owner_columns, columns_of(row[1]));
  }
  for (const auto& row : rows) {
    const std::string head = padded(row[0], 8) + "  " + padded(row[1], owner_columns) + "  ";
    if (row[3].empty()) {
      std::printf("%s%s\n", head.c_str(), row[2].c_str());
    } else {
      std::printf("%s%s  %s  %s\n", head.c_str(), padded(row[2], 6).c_str(), padded(row[3], 10).c_str(),
                  row[4].c_str());
    }
  }
}

/// The relay of the slots, if there was one.
void print_relay(const std::string& directory) {
  const std::string store = directory + "/" + engine::kRelayStore;
  if (!is_store(store)) {
    return;
  }
  const engine::LockOwner owner = engine::StoreLock::look(store);
  std::printf("%s  %s\n", padded(engine::kRelayStore, 8).c_str(),
              owner.held ? owner_text(owner).c_str() : "none: `cairn sync --relay` starts it");
}

Exit slots(const Globals& globals, const std::string& given) {
  Globals chosen = globals;
  if (!given.empty()) {
    chosen.store = given;
  }
  const auto directory = store_directory(chosen);
  if (!directory) {
    return Exit::kUsage;
  }
  const auto numbers = engine::list_slots(*directory);
  if (!numbers.ok()) {
    chosen.store.clear();  // the directory of the slots is no store: advice about one would not fit
    return report_error(chosen, numbers.status());
  }
  Exit exit = Exit::kDone;
  std::vector<Slot> found;
  for (const uint32_t number : *numbers) {
    Slot slot;
    slot.name = engine::slot_name(number);
    slot.store = (std::filesystem::path(*directory) / slot.name).string();
    const Exit looked = look_at(slot);
    exit = exit == Exit::kDone ? looked : exit;
    if (interrupted()) {
      die_of_interrupt();
    }
    if (globals.json) {
      print_as_json(slot);
    } else {
      found.push_back(std::move(slot));
    }
  }
  if (!globals.json) {
    print_table(found);
    print_relay(*directory);
  }
  if (numbers->empty()) {
    note(globals, "there are no slots in " + *directory);
  }
  return exit;
}

}  // namespace

void add_slots(CommandLine& line) {
  auto directory = std::make_shared<std::string>();
  line.add("slots", "List the stores of processes that share a directory", kSlotsNotes)
      .optional_argument("DIR", "The directory that the slots are in", *directory)
      .run([directory](const Globals& globals) { return slots(globals, *directory); });
}

}  // namespace cairn::tools
