#include "engine/store_repair.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "engine/error_detail.h"
#include "engine/identity.h"
#include "engine/log_record.h"
#include "engine/lost_identity.h"
#include "engine/replay.h"
#include "engine/store_directory.h"
#include "engine/store_image.h"
#include "engine/store_lock.h"
#include "engine/store_reader.h"
#include "engine/sync/repaired_sync.h"
#include "engine/tables_format.h"
#include "engine/tables_salvage.h"

namespace cairn::engine {

namespace {

constexpr const char* kBeingMade = "/repair.tmp";
constexpr const char* kMade = "/repair";
constexpr uint32_t kSegmentBytes = 4u << 20;  // where the log tells none
constexpr uint64_t kRecordsBetweenQuestions = 1000;

bool is_there(const std::string& path) {
  struct stat s;
  return lstat(path.c_str(), &s) == 0;
}

// No fault of the record that was to be folded.
bool is_of_the_machine(Code code) {
  return code == Code::kIo || code == Code::kNoSpace || code == Code::kNoMemory || code == Code::kVersion;
}

class Repair {
 public:
  Repair(const RepairOptions& options, wal::Files& files, const Identity& identity)
      : options_(options), files_(files), identity_(identity) {}

  Status find_damage();
  Status build();
  Status take_place();
  Status finish_earlier();
  RepairReport report;

 private:
  Status find_damage_of_tables();
  Status find_damage_of_log();
  Status find_damage_of_runs();
  Status find_damage_of_staging();
  void add_log_damage(const wal::ScanReport& scan);
  void add_unfit(std::string_view place, uint64_t lsn, std::string_view what);
  Status check_record(const wal::RecordView& record);
  Status build_from(StoreImage& image);
  Status fold_log(Replay& replay);
  Result<bool> fold(Replay& replay, const wal::RecordView& record);
  Result<bool> fold_transaction(Replay& replay, const wal::RecordView& record);
  Status fold_staging(Replay& replay);
  Status find_lost_runs(StoreImage& image, const std::vector<Gap>& gaps);
  void find_lost_lsns();
  void shorten(const std::string& id, uint64_t sequence, uint64_t lsn);
  Status set_aside(const char* name);
  Status write_report();
  Status ask(const std::string& doing) const {
    return !options_.go_on || options_.go_on(doing) ? Status() : fail(Code::kTimeout, "stopped: nothing was changed");
  }
  [[nodiscard]] StagingIdentity staging_identity() const;

  const RepairOptions& options_;
  wal::Files& files_;
  const Identity identity_;
  bool tables_good_ = false;
  bool log_good_ = true;
  uint32_t segment_bytes_ = kSegmentBytes;
  uint64_t log_end_ = 0;  // the highest LSN that was promised or seen
  bool log_end_is_open_ = false;
  TablesSalvage tables_;
  uint64_t floor_ = 0;                        // what is at or below it is in the tables
  std::vector<RepairReport::LsnRange> seen_;  // of the log, in its order
  std::set<uint64_t> unfit_;                  // LSNs of records that are whole, and that cannot be taken
  std::set<std::string> erased_;
  std::set<std::string> shortened_;
};

// ---- what is damaged

Status Repair::find_damage() {
  CAIRN_TRY(ask("checking the tables"));
  CAIRN_TRY(find_damage_of_tables());
  CAIRN_TRY(ask("checking the log"));
  CAIRN_TRY(find_damage_of_log());
  if (tables_good_ && log_good_) {
    CAIRN_TRY(find_damage_of_runs());
  }
  return find_damage_of_staging();
}

Status Repair::find_damage_of_tables() {
  Tables::Options options;
  options.directory = options_.directory;
  options.store_id.assign(reinterpret_cast<const char*>(identity_.store_id.data()), identity_.store_id.size());
  std::vector<TableDamage> found;
  const Status s = verify_in_child(options, found);
  if (!s.ok() && s.code != Code::kCorrupt && s.code != Code::kNotFound) {
    return fail(s, std::string("the tables cannot be checked: ") + s.what);
  }
  for (const TableDamage& d : found) {
    report.damage.push_back("tables: " + d.table + (d.key.empty() ? "" : ", key " + d.key) + ": " + d.what);
  }
  if (!s.ok() && found.empty()) {
    report.damage.push_back(s.code == Code::kNotFound ? "tables: data/ is missing" : std::string("tables: ") + s.what);
  }
  tables_good_ = s.ok();
  return salvage_tables(
      options_.directory, [](const RunRecord&) { return Status(); }, tables_);
}

void Repair::add_log_damage(const wal::ScanReport& scan) {
  for (const wal::Damage& d : scan.damage) {
    report.damage.push_back("log: " + wal::describe(d));
    log_end_ = std::max(log_end_, d.lsn_last);
    log_end_is_open_ = log_end_is_open_ || d.open_end;
    log_good_ = false;
  }
  log_end_ = std::max({log_end_, scan.last_lsn, scan.watermark});
  for (const wal::SegmentSummary& file : scan.files) {
    segment_bytes_ = file.segment_bytes != 0 ? file.segment_bytes : segment_bytes_;
  }
}

// A record may be whole and say nothing: bytes that were spoiled before their checksum was made.
void Repair::add_unfit(std::string_view place, uint64_t lsn, std::string_view what) {
  if (unfit_.insert(lsn).second) {
    report.damage.push_back("log: " + std::string(place) + "LSN " + std::to_string(lsn) + ": " + std::string(what));
  }
}

Status Repair::check_record(const wal::RecordView& record) {
  const Status s = check_log_record(record.type, record.payload);
  const bool in_tables = tables_good_ && record.lsn <= tables_.applied_lsn.value_or(0);
  if (s.code == Code::kVersion && !in_tables) {
    return fail(s, "the log's record of LSN " + std::to_string(record.lsn) + ": " + s.what);
  }
  if (!s.ok()) {
    add_unfit(std::string(record.segment) + " at offset " + std::to_string(record.offset) + ", ", record.lsn,
              std::string("the checksum is right, but the record does not decode: ") + s.what);
  }
  return {};
}

Status Repair::find_damage_of_log() {
  wal::ScanReport scan;
  const Status s = wal::judge(
      files_, identity_.store_id, tables_.applied_lsn, wal::Extent::kWhole,
      [this](const wal::RecordView& record) { return check_record(record); }, scan);
  if (s.ok()) {
    add_log_damage(scan);
  }
  log_end_ = std::max(log_end_, tables_.applied_lsn.value_or(0));
  if (s.ok() || s.code == Code::kVersion) {  // which check_record has told of
    return s;
  }
  return fail(s, std::string("the log cannot be read: ") + s.what);
}

// That the log goes on where each run stands.
Status Repair::find_damage_of_runs() {
  StoreReader::Options options;
  options.directory = options_.directory;
  options.salvage = true;  // this process holds the lock, and no owner moves
  options.patience_ms = 0;
  options.hooks = options_.hooks;
  auto reader = StoreReader::open(std::move(options));
  if (!reader.ok()) {
    return reader.status();
  }
  CAIRN_TRY((*reader)->each([](const RunView&) { return false; }));
  for (const UnfitRecord& record : (*reader)->report().unfit) {
    add_unfit("", record.lsn, "the record is whole, but its run cannot take it: " + record.what);
  }
  std::set<std::string_view> named;  // of each run the first gap: all that follows is one, too
  for (const Gap& gap : (*reader)->report().gaps) {
    if (!named.insert(gap.id).second) {
      continue;
    }
    report.damage.push_back("runs: " + gap.id + " is at sequence " + std::to_string(gap.sequence) +
                            ", and its next record, LSN " + std::to_string(gap.lsn) + ", goes on from " +
                            std::to_string(gap.base));
  }
  return {};
}

StagingIdentity Repair::staging_identity() const {
  StagingIdentity identity;
  identity.store_id = identity_.store_id;
  identity.boot_id = options_.hooks.has_boot_id ? options_.hooks.boot_id : read_boot_id();
  identity.pid_namespace = read_pid_namespace();
  return identity;
}

Status Repair::find_damage_of_staging() {
  auto damaged = damaged_staging(staging_inside(files_), staging_identity());
  if (!damaged.ok()) {
    return fail(damaged.status(), std::string("staging/ cannot be read: ") + damaged.status().what);
  }
  for (const std::string& text : *damaged) {
    report.damage.push_back("staging: " + text);
    report.staging_lost = true;
  }
  return {};
}

// ---- what a repair gives

Status Repair::build() {
  const std::string directory = options_.directory + kBeingMade;
  std::error_code error;
  std::filesystem::remove_all(directory, error);  // of a repair that was killed
  auto image = StoreImage::begin(directory, identity_.store_id, options_.hooks, true);
  if (!image.ok()) {
    return image.status();
  }
  const Status s = build_from(**image);
  if (!s.ok() || !options_.commit) {
    (*image)->discard();
  }
  return s;
}

Status Repair::build_from(StoreImage& image) {
  tables_ = TablesSalvage();
  const Status read = salvage_tables(
      options_.directory,
      [&](RunRecord record) -> Status {
        if (tables_.records % kRecordsBetweenQuestions == 0) {
          CAIRN_TRY(ask(std::to_string(tables_.records) + " runs read"));
        }
        return image.add(std::move(record));
      },
      tables_);
  CAIRN_TRY(read);
  floor_ = tables_.applied_lsn.value_or(0);
  Replay replay([&image](std::string_view id) { return image.find(id); });
  CAIRN_TRY(fold_log(replay));
  const std::vector<Gap> gaps = replay.gaps();
  CAIRN_TRY(fold_staging(replay));
  CAIRN_TRY(image.write(replay.take_changes()));
  auto sync = sync::repaired_sync(tables_, replay.cursors(), options_.hooks);
  CAIRN_TRY(sync.status());
  CAIRN_TRY(image.put(*sync));
  find_lost_lsns();
  CAIRN_TRY(find_lost_runs(image, gaps));
  return image.finish(log_end_, segment_bytes_);
}

Status Repair::fold_log(Replay& replay) {
  uint64_t records = 0;
  const auto visit = [&](const wal::RecordView& record) -> Status {
    if (++records % kRecordsBetweenQuestions == 0) {
      CAIRN_TRY(ask("log: LSN " + std::to_string(record.lsn)));
    }
    log_end_ = std::max(log_end_, record.lsn);
    // Good tables have it; of an erased run they have nothing, and that must stay so.
    if (!tables_good_ || record.lsn > floor_) {
      const auto taken = fold(replay, record);
      if (!taken.ok() || !*taken) {
        return taken.status();  // as good as lost
      }
    }
    if (!seen_.empty() && record.lsn == seen_.back().last + 1) {
      seen_.back().last = record.lsn;
    } else {
      seen_.push_back({record.lsn, record.lsn});
    }
    return {};
  };
  if (log_good_) {  // where it ends in a torn tail, what stands behind that was never promised
    wal::ScanReport scan;
    return wal::judge(files_, identity_.store_id, tables_.applied_lsn, wal::Extent::kWhole, visit, scan);
  }
  return wal::salvage(files_, identity_.store_id, [&](const wal::RecordView& record, bool) { return visit(record); });
}

// As a recovery does, but that a transaction of which one run cannot go on is left out, and that an erase holds also
// for a run of which something before it is lost. False: the record does not decode, or its run cannot take it.
Result<bool> Repair::fold(Replay& replay, const wal::RecordView& record) {
  const auto type = static_cast<LogType>(record.type);
  if (type == LogType::kTransaction) {
    return fold_transaction(replay, record);
  }
  if (type == LogType::kErase || type == LogType::kForget) {
    auto erase = decode_change(record.payload);
    if (erase.ok()) {
      auto state = replay.state(erase->id);
      if (!state.ok()) {
        return state.status();
      }
      if ((*state)->record && (*state)->record->created_lsn == erase->created_lsn) {
        (*state)->record->sequence = erase->sequence - 1;
      }
      erased_.insert(erase->id);
    }
  } else if (type == LogType::kStart) {
    if (auto started = decode_run_record(record.payload); started.ok()) {
      erased_.erase(started->id);
    }
  }
  const Status s = replay.visit(record);
  return s.ok() || !is_of_the_machine(s.code) ? Result<bool>(s.ok()) : fail(s, s.what);
}

Result<bool> Repair::fold_transaction(Replay& replay, const wal::RecordView& record) {
  auto diffs = decode_transaction(record.payload);
  if (!diffs.ok()) {
    return false;
  }
  bool whole = true;
  for (const RunDiff& d : *diffs) {
    auto state = replay.state(d.id);
    if (!state.ok()) {
      return state.status();
    }
    const auto& run = (*state)->record;
    // An earlier life of the id, or one that was erased since, is no reason against the others.
    if (!run || run->created_lsn != d.created_lsn) {
      continue;
    }
    if (d.diff.last <= run->sequence) {
      continue;  // the tables have it
    }
    if (d.diff.base != run->sequence) {
      whole = false;
      shorten(d.id, run->sequence, record.lsn);
      continue;
    }
    RunRecord trial = *run;
    if (!Replay::fold_diff(trial, d.diff, false, 0).ok()) {
      return false;
    }
  }
  if (whole) {
    CAIRN_TRY(replay.visit(record));
  }
  return true;
}

void Repair::shorten(const std::string& id, uint64_t sequence, uint64_t lsn) {
  if (shortened_.insert(id).second) {
    report.shortened.push_back({id, sequence, lsn});
  }
}

Status Repair::fold_staging(Replay& replay) {
  StagingScan scan;
  CAIRN_TRY(scan_staging(staging_inside(files_), staging_identity(), scan));
  if (auto record = read_staging_record(files_); record.ok() && !identity_.copied) {
    if (auto outside = staging_outside(record->directory); outside.ok()) {
      CAIRN_TRY(scan_staging(*outside, staging_identity(), scan));
    }
  }
  return replay.fold_staged(scan.diffs, nullptr);
}

void Repair::find_lost_lsns() {
  std::sort(seen_.begin(), seen_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  uint64_t next = floor_ + 1;
  for (const RepairReport::LsnRange& range : seen_) {
    if (range.first > next) {
      report.lost_lsns.push_back({next, range.first - 1});
    }
    next = std::max(next, range.last + 1);
  }
  if (next <= log_end_) {
    report.lost_lsns.push_back({next, log_end_, log_end_is_open_});
  } else if (log_end_is_open_) {
    report.lost_lsns.push_back({log_end_ + 1, log_end_ + 1, true});
  }
}

Status Repair::find_lost_runs(StoreImage& image, const std::vector<Gap>& gaps) {
  std::set<std::string> lost = tables_.indexed;
  for (const Gap& gap : gaps) {
    lost.insert(gap.id);
  }
  for (auto at = lost.begin(); at != lost.end();) {
    auto found = image.find(*at);
    if (!found.ok()) {
      return found.status();
    }
    at = *found || erased_.count(*at) != 0 ? lost.erase(at) : std::next(at);
  }
  for (const Gap& gap : gaps) {
    if (lost.count(gap.id) == 0 && erased_.count(gap.id) == 0) {
      shorten(gap.id, gap.sequence, gap.lsn);
    }
  }
  const uint64_t known = std::max<uint64_t>(tables_.indexed.size(), tables_.records);
  const uint64_t promised = tables_.records_promised.value_or(0);
  report.lost_unnamed = promised > known ? promised - known : 0;
  report.lost_runs.assign(lost.begin(), lost.end());
  auto runs = image.runs();
  report.runs = runs.ok() ? *runs : 0;
  return runs.status();
}

// ---- the exchange

Status Repair::take_place() {
  CAIRN_TRY(write_report());
  CAIRN_TRY(files_.rename("repair.tmp", "repair"));
  CAIRN_TRY(files_.sync_directory(""));
  return finish_earlier();
}

Status Repair::set_aside(const char* name) {
  return is_there(options_.directory + "/" + name) ? files_.rename(name, report.quarantine + "/" + name) : Status();
}

// What `repair` still holds has not taken its place yet. Each step may be the last of this process.
Status Repair::finish_earlier() {
  if (report.quarantine.empty()) {
    CAIRN_TRY(write_report());
  }
  // First, while log and tables still say whose they are.
  if (!read_identity(files_).ok()) {
    CAIRN_TRY(set_aside("STORE"));
    CAIRN_TRY(write_identity(files_, identity_));
  }
  CAIRN_TRY(set_aside("staging"));
  for (const char* name : {"data", "wal"}) {
    if (is_there(options_.directory + kMade + "/" + name)) {
      CAIRN_TRY(set_aside(name));
      CAIRN_TRY(files_.rename(std::string("repair/") + name, name));
    }
  }
  for (const std::string& name : {report.quarantine, std::string("repair"), std::string()}) {
    CAIRN_TRY(files_.sync_directory(name));
  }
  std::error_code error;
  std::filesystem::remove_all(options_.directory + kMade, error);
  if (error) {
    return fail(Status(Code::kIo, "remove repair/", error.value()), "the directory repair cannot be removed");
  }
  return files_.sync_directory("");
}

// Makes quarantine/TIME with a REPORT in it.
Status Repair::write_report() {
  const time_t now = static_cast<time_t>(options_.hooks.wall_us(options_.hooks.context) / 1'000'000);
  tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> time{};
  strftime(time.data(), time.size(), "%Y%m%dT%H%M%SZ", &utc);
  CAIRN_TRY(files_.make_directory("quarantine"));
  std::string name = std::string("quarantine/") + time.data();
  for (int i = 2; is_there(options_.directory + "/" + name); ++i) {
    name = std::string("quarantine/") + time.data() + "-" + std::to_string(i);
  }
  CAIRN_TRY(files_.make_directory(name));
  std::string text = describe(report);
  auto file = files_.open(name + "/REPORT", wal::OpenMode::kCreate);
  if (!file.ok()) {
    return file.status();
  }
  CAIRN_TRY((*file)->write_at(0, text));
  CAIRN_TRY((*file)->sync());
  CAIRN_TRY(files_.sync_directory(name));
  CAIRN_TRY(files_.sync_directory("quarantine"));
  report.quarantine = std::move(name);
  return {};
}

}  // namespace

std::string describe(const RepairReport& report) {
  std::string text;
  for (const std::string& damage : report.damage) {
    text += "damage: " + damage + "\n";
  }
  for (const RepairReport::LsnRange& range : report.lost_lsns) {
    text += "lost: LSN " + std::to_string(range.first) +
            (range.open_end ? " of the log and what followed: how much cannot be told"
                            : " to " + std::to_string(range.last) + " of the log, and what these records changed") +
            "\n";
  }
  for (const std::string& id : report.lost_runs) {
    text += "lost: run " + id + ", of which nothing can be read\n";
  }
  if (report.lost_unnamed != 0) {
    text += "lost: " + std::to_string(report.lost_unnamed) + " more runs, whose ids cannot be read either\n";
  }
  for (const RepairReport::Shortened& run : report.shortened) {
    text += "lost: changes of run " + run.id + " behind sequence " + std::to_string(run.sequence) + ", because LSN " +
            std::to_string(run.lsn) + " does not follow on\n";
  }
  if (report.staging_lost) {
    text += "lost: updates that were not yet in the log, as far as they stood in the damaged part of staging\n";
  }
  return text;
}

Status check_no_repair(const std::string& directory) {
  return is_there(directory + kMade) ? fail(Code::kCorrupt, "a repair was cut short: `cairn repair --yes` finishes it")
                                     : Status();
}

Result<RepairReport> repair(const RepairOptions& given) {
  RepairOptions options = given;
  CAIRN_TRY(complete_hooks(options.hooks));
  CAIRN_TRY(check_directory(options.directory, false));
  auto files = wal::open_posix_files(options.directory);
  if (!files.ok()) {
    return fail(files.status(), "cannot open " + options.directory);
  }
  std::string lost;
  auto identity = identity_by_any_means(**files, options.directory, lost);
  CAIRN_TRY(identity.status());
  auto lock = StoreLock::take(options.directory, "repair");
  if (!lock.ok()) {
    return lock.status();
  }
  Repair work(options, **files, *identity);
  if (is_there(options.directory + kMade)) {
    work.report.damage.emplace_back("an earlier repair was cut short while its result took its place");
    work.report.finished_earlier = true;
    if (options.commit) {
      CAIRN_TRY(work.finish_earlier());
    }
    return std::move(work.report);
  }
  if (!lost.empty()) {
    work.report.damage.push_back(lost + ": it is made anew, and the store then counts as copied");
  }
  CAIRN_TRY(work.find_damage());
  if (work.report.damage.empty()) {
    return std::move(work.report);
  }
  CAIRN_TRY(work.build());
  if (options.commit) {
    if (const Status s = work.take_place(); !s.ok()) {
      return fail(s, std::string("the repair could not be finished (") + s.what +
                         "): nothing is lost; run `cairn repair --yes` again");
    }
  }
  return std::move(work.report);
}

}  // namespace cairn::engine
