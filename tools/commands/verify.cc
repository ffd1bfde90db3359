#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "engine/directory/store_directory.h"
#include "engine/json/json.h"
#include "engine/records/log_record.h"
#include "engine/salvage/lost_identity.h"
#include "engine/tables/tables.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/progress.h"
#include "tools/output/report.h"
#include "tools/output/stage_note.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kVerifyNotes =
    R"help(Reads everything and changes nothing:
  tables   every page, checksum and index entry, in a process of its own
  log      checksum, order and content of every record
  staging  what a killed process left
  runs     whether log and staging continue the tables without gaps
Damage is printed with its place and the LSNs or keys that it concerns, and the command ends with
65. A torn tail, which is the incomplete last write of a crash, is not damage: nothing in it was
ever acknowledged as safe from power loss. The command works while another process has the store
open. A damaged store is not opened for writing; get, show and ls read the rest with --salvage.

Examples:
  cairn verify && echo fine
  cairn verify --json | jq .damage)help";

using engine::Object;
using engine::Value;

struct Findings {
  struct Item {
    std::string text;
    Object members;
  };
  std::vector<Item> damage;

  void add(std::string text, Object members) { damage.push_back({std::move(text), std::move(members)}); }
  void add_log(const wal::Damage& d) {
    Object o;
    o.push_back({"where", Value("log")});
    add_damage(o, d);
    add("log: " + wal::describe(d), std::move(o));
  }
  void add_table(const engine::TableDamage& d) {
    Object o;
    o.push_back({"where", Value("tables")});
    o.push_back({"table", Value(d.table)});
    o.push_back({"key", Value(valid_text(d.key))});
    o.push_back({"what", Value(valid_text(d.what))});
    add("tables: " + d.table + (d.key.empty() ? "" : ", key " + printable(d.key)) + ": " + printable(d.what),
        std::move(o));
  }
  void add_gap(const engine::Gap& g) {
    Object o;
    o.push_back({"where", Value("runs")});
    o.push_back({"id", Value(g.id)});
    o.push_back({"lsn", Value(g.lsn)});
    o.push_back({"sequence", Value(g.sequence)});
    o.push_back({"base_sequence", Value(g.base)});
    o.push_back({"what", Value("gap")});
    add("runs: " + g.id + " is at sequence " + std::to_string(g.sequence) + ", and its next record, LSN " +
            std::to_string(g.lsn) + ", goes on from " + std::to_string(g.base),
        std::move(o));
  }
  void add_unfit(const engine::UnfitRecord& record) {
    Object o;
    o.push_back({"where", Value("runs")});
    o.push_back({"lsn", Value(record.lsn)});
    o.push_back({"what", Value(record.what)});
    add("runs: the record of LSN " + std::to_string(record.lsn) +
            " is whole, but its run cannot take it: " + record.what,
        std::move(o));
  }
  void add_unreadable(const char* where, const std::string& what) {
    Object o;
    o.push_back({"where", Value(where)});
    o.push_back({"what", Value(what)});
    add(std::string(where) + ": " + what, std::move(o));
  }
};

struct Verified {
  Findings findings;
  engine::TableStats tables;
  bool tables_checked = false;
  wal::ScanReport log;
  uint64_t records = 0;
  std::set<uint64_t> undecoded;  // LSNs
  uint64_t newer_lsn = 0;        // of the last record of a newer version; 0: none
  engine::StagingScan staging;
  uint64_t staged_diffs = 0;
  uint64_t runs = 0;
  bool runs_checked = false;
  std::string staging_gone;
};

Status verify_tables(const std::string& directory, const engine::Identity& identity, Verified& v) {
  engine::Tables::Options options;
  options.directory = directory;
  options.store_id.assign(reinterpret_cast<const char*>(identity.store_id.data()), identity.store_id.size());
  options.read_only = true;
  std::vector<engine::TableDamage> damage;
  const Status s = engine::verify_in_child(options, damage);
  for (const engine::TableDamage& d : damage) {
    v.findings.add_table(d);
  }
  if (s.code == Code::kCorrupt || s.code == Code::kNotFound) {
    if (damage.empty()) {
      v.findings.add_unreadable("tables", s.code == Code::kNotFound ? "there is no data directory" : s.what);
    }
    return {};
  }
  v.tables_checked = s.ok();
  if (s.ok()) {
    return s;
  }
  return engine::fail(s, "the tables cannot be checked: " + engine::error_text(s));
}

constexpr int kAttemptsMax = 5;

Status verify_log_once(const engine::StoreReader& reader, StageNote& stage, Verified& v, Findings& undecoded) {
  uint64_t bytes = 0;
  v.records = 0;
  v.undecoded.clear();
  return wal::judge(
      reader.store().files(), reader.store().identity().store_id,
      v.tables_checked ? reader.store().applied_lsn() : std::nullopt, wal::Extent::kWhole,
      [&](const wal::RecordView& record) {
        ++v.records;
        bytes += record.payload.size();
        stage.show(progress_of_bytes("the log", bytes, 0, stage.elapsed_ms()));
        const Status checked = engine::check_log_record(record.type, record.payload);
        if (!checked.ok()) {
          const bool newer = checked.code == Code::kVersion;
          v.newer_lsn = newer ? record.lsn : v.newer_lsn;
          v.undecoded.insert(record.lsn);
          undecoded.add_log({std::string(record.segment), record.offset, record.lsn, record.lsn,
                             newer ? "the checksum is right, but the record is of a newer version"
                                   : "the checksum is right, but the record does not decode"});
        }
        return interrupted() ? Status(Code::kTimeout, "interrupted") : Status();
      },
      v.log);
}

Status verify_log(const std::string& directory, const engine::StoreReader& reader, StageNote& stage, Verified& v) {
  for (int attempt = 1;; ++attempt) {
    Findings undecoded;
    const Status s = verify_log_once(reader, stage, v, undecoded);
    if (!s.ok()) {
      return interrupted() ? s : engine::fail(s, std::string("the log cannot be read: ") + s.what);
    }
    // A live owner may have recycled files while they were read: damage is found again.
    if (v.log.damage.empty() || attempt == kAttemptsMax || !engine::StoreLock::look(directory).held) {
      std::move(undecoded.damage.begin(), undecoded.damage.end(), std::back_inserter(v.findings.damage));
      return {};
    }
  }
}

// Folds log and staging onto the tables, as an open would.
Result<std::unique_ptr<engine::StoreReader>> open_salvaging(const std::string& directory) {
  engine::StoreReader::Options options;
  options.directory = directory;
  options.salvage = true;
  if (!engine::StoreLock::look(directory).held) {
    options.patience_ms = 0;
  }
  return engine::StoreReader::open(std::move(options));
}

Status verify_runs(engine::StoreReader& reader, StageNote& stage, Verified& v) {
  const uint64_t total = reader.store().stored_runs();
  const int64_t begun_ms = stage.elapsed_ms();
  const Status s = reader.each([&](const engine::RunView&) {
    ++v.runs;
    stage.show(progress_text("run", v.runs, std::max(total, v.runs), stage.elapsed_ms() - begun_ms));
    return !interrupted();
  });
  const engine::ReadReport& report = reader.report();
  v.staging = report.staging;
  v.staging_gone = report.staging_gone;
  v.tables.applied_lsn = report.applied_lsn;
  for (const engine::Gap& g : report.gaps) {
    v.findings.add_gap(g);
  }
  for (const engine::UnfitRecord& record : report.unfit) {
    if (v.undecoded.count(record.lsn) == 0) {
      v.findings.add_unfit(record);
    }
  }
  if (!report.tables_problem.empty()) {
    v.findings.add_unreadable("tables", report.tables_problem);
  }
  v.runs_checked = s.ok();
  return s;
}

void print_text(const Verified& v) {
  for (const Findings::Item& item : v.findings.damage) {
    std::printf("damage: %s\n", printable(item.text).c_str());
  }
  std::printf("tables   %s\n", v.tables_checked ? "every page, value and index entry is fine" : "damaged");
  std::printf("log      %s, %s, up to LSN %llu%s\n", counted(v.log.segments, "segment").c_str(),
              counted(v.records, "record").c_str(), static_cast<unsigned long long>(v.log.last_lsn),
              v.log.clean       ? ", closed cleanly"
              : v.log.torn_tail ? ", torn tail (no damage)"
                                : "");
  std::printf("staging  %s%s\n", counted(v.staging.files, "file").c_str(),
              v.staging.ignored_files != 0 ? ", some of another boot or superseded (no damage)" : "");
  if (!v.staging_gone.empty()) {
    std::printf("         %s is gone: updates since the last flush may be lost\n", v.staging_gone.c_str());
  }
  if (v.runs_checked) {
    std::printf("runs     %llu read\n", static_cast<unsigned long long>(v.runs));
  } else {
    std::printf("runs     not checked: the tables are damaged\n");
  }
  std::printf("%s\n", v.findings.damage.empty() ? "fine" : "DAMAGED");
}

void print_as_json(const Verified& v) {
  engine::Array damage;
  for (const Findings::Item& item : v.findings.damage) {
    damage.emplace_back(item.members);
  }
  Object log;
  log.push_back({"segments", Value(v.log.segments)});
  log.push_back({"records", Value(v.records)});
  log.push_back({"last_lsn", Value(v.log.last_lsn)});
  log.push_back({"clean", Value(v.log.clean)});
  log.push_back({"torn_tail", Value(v.log.torn_tail)});
  Object staging;
  staging.push_back({"files", Value(v.staging.files)});
  staging.push_back({"ignored_files", Value(v.staging.ignored_files)});
  staging.push_back({"invalid_buffers", Value(v.staging.invalid_buffers)});
  if (!v.staging_gone.empty()) {
    staging.push_back({"gone", Value(v.staging_gone)});
  }
  Object o;
  o.push_back({"ok", Value(v.findings.damage.empty())});
  o.push_back({"damage", Value(std::move(damage))});
  o.push_back({"log", Value(std::move(log))});
  o.push_back({"staging", Value(std::move(staging))});
  o.push_back({"applied_lsn", Value(v.tables.applied_lsn)});
  o.push_back({"runs_checked", Value(v.runs_checked)});
  o.push_back({"runs", Value(v.runs)});
  print_json(std::move(o));
}

Status verify_all(const Globals& globals, const std::string& directory, Verified& v) {
  StageNote stage(globals.json);
  auto files = engine::open_store_files(directory);
  if (!files.ok()) {
    return files.status();
  }
  std::string lost;
  CAIRN_TRY_ASSIGN(auto&& identity, engine::identity_by_any_means(**files, directory, lost));
  if (!lost.empty()) {
    v.findings.add_unreadable("STORE", lost);
  }
  stage.show_now("tables: checking every page ...");
  CAIRN_TRY(verify_tables(directory, identity, v));
  CAIRN_TRY_ASSIGN(auto&& reader, open_salvaging(directory));
  CAIRN_TRY(verify_log(directory, *reader, stage, v));
  if (v.tables_checked) {
    CAIRN_TRY(verify_runs(*reader, stage, v));
    if (v.newer_lsn > v.tables.applied_lsn) {  // as an open would say
      return engine::fail(Code::kVersion, "the log's record of LSN " + std::to_string(v.newer_lsn) +
                                              " is of a newer version: nothing was touched");
    }
  }
  for (const wal::Damage& d : v.log.damage) {
    // Beside a live owner: files that were recycled while they were read held nothing that the tables do not.
    if (d.open_end || d.lsn_last > v.tables.applied_lsn || !engine::StoreLock::look(directory).held) {
      v.findings.add_log(d);
    }
  }
  return {};
}

Exit verify(const Globals& globals) {
  const auto directory = store_directory(globals);
  if (!directory) {
    return Exit::kUsage;
  }
  Verified v;
  const Status s = verify_all(globals, *directory, v);
  if (interrupted()) {
    die_of_interrupt();
  }
  if (!s.ok()) {
    return report_error(globals, engine::name_strange_file(s, *directory));
  }
  if (globals.json) {
    print_as_json(v);
  } else {
    print_text(v);
  }
  return v.findings.damage.empty() ? Exit::kDone : Exit::kBadData;
}

}  // namespace

void add_verify(CommandLine& line) { line.add("verify", "Check the whole store for damage", kVerifyNotes).run(verify); }

}  // namespace cairn::tools
