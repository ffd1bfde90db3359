#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <map>
#include <memory>

#include "engine/json/json.h"
#include "engine/maintenance/slots.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"
#include "tools/store/slot_directory.h"
#include "tools/store/slot_stores.h"

namespace cairn::tools {

namespace {

constexpr const char* kStatsNotes =
    R"help(Prints sizes on disk, the numbers of the log and the runs by status. It opens nothing for writing
and does not disturb a process that has the store open. That process alone has the counters since
it opened the store (cairn_store_stats).
  last LSN     the newest record of the log
  applied LSN  the tables hold everything up to this record; the log before it can be used again


Of a directory of slots it prints each slot, and the sums of all.

Examples:
  cairn stats --json | jq .disk_bytes
  cairn stats --store metadata --json | jq 'select(.slots) | .runs')help";

using engine::Object;
using engine::Value;

/// Bytes that the files of a directory take on the disk: LMDB's file is sparse.
uint64_t disk_bytes(const std::string& directory) {
  uint64_t bytes = 0;
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr) {
    return 0;
  }
  while (const dirent* entry = readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    struct stat s;
    if (fstatat(dirfd(dir), entry->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(s.st_mode)) {
      bytes += static_cast<uint64_t>(s.st_blocks) * 512;
    }
  }
  closedir(dir);
  return bytes;
}

std::string hex_text(const std::array<uint8_t, 16>& id) {
  std::string text;
  for (const uint8_t byte : id) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", byte);
    text += hex;
  }
  return text;
}

struct Figures {
  std::map<std::string, uint64_t> by_status;
  uint64_t runs = 0, orphaned = 0, metadata_bytes = 0;
  uint64_t elsewhere = 0, for_owners = 0;  // runs that are owned elsewhere; updates that wait here for their owners
  uint64_t wal = 0, staging = 0, tables = 0, others = 0;

  void add(const Figures& f) {
    for (const auto& [status, count] : f.by_status) {
      by_status[status] += count;
    }
    runs += f.runs;
    orphaned += f.orphaned;
    metadata_bytes += f.metadata_bytes;
    elsewhere += f.elsewhere;
    for_owners += f.for_owners;
    wal += f.wal;
    staging += f.staging;
    tables += f.tables;
    others += f.others;
  }
};

/// What can be added up over several stores.
void add_runs(Object& o, const Figures& f) {
  Object by_status;
  by_status.reserve(f.by_status.size());
  for (const auto& [status, count] : f.by_status) {
    by_status.push_back({status, Value(count)});
  }
  o.push_back({"runs", Value(f.runs)});
  o.push_back({"orphaned_runs", Value(f.orphaned)});
  o.push_back({"runs_by_status", Value(std::move(by_status))});
  o.push_back({"foreign_runs", Value(f.elsewhere)});
  o.push_back({"waiting_updates", Value(f.for_owners)});
  o.push_back({"metadata_bytes", Value(f.metadata_bytes)});
}

void add_sizes(Object& o, const Figures& f) {
  o.push_back({"disk_bytes", Value(f.wal + f.staging + f.tables + f.others)});
  o.push_back({"wal_bytes", Value(f.wal)});
  o.push_back({"staging_bytes", Value(f.staging)});
  o.push_back({"tables_bytes", Value(f.tables)});
}

Object figures_json(const engine::StoreReader& reader, const Figures& f) {
  const engine::ReadReport& r = reader.report();
  Object o;
  const auto add = [&o](const char* key, Value value) { o.push_back({key, std::move(value)}); };
  add("store_id", hex_text(reader.store().identity().store_id));
  add("created_at", iso_time(reader.store().identity().created_us));
  if (r.owner.held) {
    add("owner_pid", r.owner.pid);
    add("owner_alive", r.owner.alive);
  } else {
    add("owner_pid", nullptr);
  }
  add_runs(o, f);
  add("last_lsn", r.log.last_lsn);
  add("applied_lsn", r.applied_lsn);
  add("segments", r.log.segments);
  add_sizes(o, f);
  return o;
}

void print_line(const char* name, const std::string& text) {
  std::printf("%s%s\n", padded(name, 13).c_str(), text.c_str());
}

void print_runs(const Figures& f) {
  std::string runs = std::to_string(f.runs);
  for (const auto& [status, count] : f.by_status) {
    runs += ", " + std::to_string(count) + " " + status;
  }
  runs += f.elsewhere != 0 ? ", " + std::to_string(f.elsewhere) + " owned elsewhere" : "";
  print_line("runs", runs + (f.orphaned != 0 ? " (" + std::to_string(f.orphaned) + " orphaned)" : ""));
  if (f.for_owners != 0) {
    print_line("waiting", counted(f.for_owners, "update") +
                              " of runs that are owned elsewhere and whose owners are not known here (cairn why RUN)");
  }
  print_line("metadata", size_text(f.metadata_bytes) + " of JSON");
}

void print_sizes(const Figures& f) {
  print_line("disk", size_text(f.wal + f.staging + f.tables + f.others) + ": log " + size_text(f.wal) + ", staging " +
                         size_text(f.staging) + ", tables " + size_text(f.tables));
}

void print_text(const engine::StoreReader& reader, const Figures& f) {
  const engine::ReadReport& r = reader.report();
  print_line("store", hex_text(reader.store().identity().store_id) + ", created " +
                          iso_time(reader.store().identity().created_us));
  print_line("owner", !r.owner.held ? "none"
                      : r.owner.alive
                          ? "process " + std::to_string(r.owner.pid)
                          : "process " + std::to_string(r.owner.pid) + " is gone, but a child of it holds the lock");
  print_runs(f);
  print_line("last LSN", std::to_string(r.log.last_lsn) + " in " + counted(r.log.segments, "segment"));
  print_line("applied LSN", std::to_string(r.applied_lsn));
  print_sizes(f);
}

Result<Figures> figures_of(engine::StoreReader& reader, const std::string& directory) {
  Figures f;
  CAIRN_TRY(reader.each([&](const engine::RunView& run) {
    ++f.runs;
    if (run.record.foreign) {
      ++f.elsewhere;
      f.for_owners += run.record.outbox.waits() ? run.record.outbox.diff.last - run.record.outbox.diff.base : 0;
    } else {
      ++f.by_status[engine::status_name(run.record.status)];
    }
    f.orphaned += run.orphaned ? 1 : 0;
    f.metadata_bytes += run.record.document.to_json().size();
    return !interrupted();
  }));
  f.wal = disk_bytes(directory + "/wal");
  f.staging = disk_bytes(directory + "/staging");
  if (auto places = reader.store().staging_places(); places.ok()) {
    for (const engine::StagingPlace& place : *places) {
      f.staging += place.directory.empty() ? 0 : disk_bytes(place.directory);
    }
  }
  f.tables = disk_bytes(directory + "/data");
  f.others = disk_bytes(directory);
  return f;
}

Exit stats_of_slots(const Globals& globals, const std::string& directory) {
  SlotStores stores(globals, directory, false);
  if (const Status s = stores.open_new(); !s.ok()) {
    return report_error(globals, s);
  }
  Figures all;
  uint64_t read = 0;
  for (const auto& slot : stores.all()) {
    if (slot->reader == nullptr) {
      continue;
    }
    const auto f = figures_of(*slot->reader, slot->directory);
    if (interrupted()) {
      die_of_interrupt();
    }
    if (!f.ok()) {
      SlotStores::leave_out(*slot, f.status());
      continue;
    }
    ++read;
    all.add(*f);
    const std::string name = engine::slot_name(slot->number);
    if (globals.json) {
      Object o = figures_json(*slot->reader, *f);
      o.insert(o.begin(), {"slot", Value(name)});
      print_json(std::move(o));
    } else {
      std::printf("%s\n", name.c_str());
      print_text(*slot->reader, *f);
      std::printf("\n");
    }
  }
  if (globals.json) {
    Object o = {{"slots", Value(read)}};
    add_runs(o, all);
    add_sizes(o, all);
    print_json(std::move(o));
  } else {
    std::printf("%s\n", counted(read, "slot").c_str());
    print_runs(all);
    print_sizes(all);
  }
  return stores.report_unread("counted");
}

Exit stats(const Globals& globals) {
  if (const auto directory = store_directory(globals); directory && is_directory_of_slots(*directory)) {
    return stats_of_slots(globals, *directory);
  }
  Exit exit = Exit::kDone;
  const auto reader = open_reader(globals, false, exit);
  if (!reader) {
    return exit;
  }
  const auto f = figures_of(*reader, *store_directory(globals));
  if (interrupted()) {
    die_of_interrupt();
  }
  if (!f.ok()) {
    return report_error(globals, f.status());
  }
  if (globals.json) {
    print_json(figures_json(*reader, *f));
  } else {
    print_text(*reader, *f);
  }
  return Exit::kDone;
}

}  // namespace

void add_stats(CommandLine& line) {
  line.add("stats", "Sizes, log positions and runs by status", kStatsNotes).run(stats);
}

}  // namespace cairn::tools
