#include "engine/maintenance/repair.h"

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

#include "engine/base/error_detail.h"
#include "engine/directory/identity.h"
#include "engine/directory/store_directory.h"
#include "engine/directory/store_lock.h"
#include "engine/maintenance/image.h"
#include "engine/maintenance/repaired_sync.h"
#include "engine/reader/store_reader.h"
#include "engine/records/log_record.h"
#include "engine/replay/replay.h"
#include "engine/salvage/lost_identity.h"
#include "engine/salvage/tables_salvage.h"
#include "engine/tables/format.h"

namespace cairn::engine {

namespace {

constexpr const char* kBeingMade = "/repair.tmp";
constexpr uint32_t kNewSegmentBytes = 4u << 20;  // if the log does not tell its size
constexpr uint64_t kRecordsBetweenQuestions = 1000;

// The error is not about the record that was to be folded.
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
  Result<bool> fold_group(Replay& replay, const wal::RecordView& record);
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
  uint32_t segment_bytes_ = kNewSegmentBytes;
  uint64_t log_end_ = 0;  // the highest LSN that was promised or seen
  bool log_end_is_open_ = false;
  TablesSalvage tables_;
  uint64_t floor_ = 0;                        // records at or below this LSN are in the tables
  std::vector<RepairReport::LsnRange> seen_;  // of the log, in its order
  std::set<uint64_t> unfit_;                  // LSNs of records with a right checksum that cannot be used
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
    return fail_with_cause("the tables cannot be checked", s);
  }
  for (const TableDamage& d : found) {
    report.damage.push_back("tables: " + d.table + (d.key.empty() ? "" : ", key " + d.key) + ": " + d.what);
  }
  if (!s.ok() && found.empty()) {
    report.damage.push_back(s.code == Code::kNotFound ? "tables: data/ is missing" : std::string("tables: ") + s.what);
  }
  tables_good_ = s.ok();
  return salvage_tables(
      options_.directory, [](const RunRecord&) { return Status(); },
      [](std::string_view, std::string_view) { return Status(); }, tables_);
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

// A record may have a right checksum and still not decode: its bytes were damaged before the checksum was computed.
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
  if (s.ok() || s.code == Code::kVersion) {  // check_record has reported that
    return s;
  }
  return fail_with_cause("the log cannot be read", s);
}

// Checks that the log continues each run at its sequence.
Status Repair::find_damage_of_runs() {
  StoreReader::Options options;
  options.directory = options_.directory;
  options.salvage = true;  // this process holds the lock, so no owner changes anything
  options.patience_ms = 0;
  options.hooks = options_.hooks;
  CAIRN_TRY_ASSIGN(auto&& reader, StoreReader::open(std::move(options)));
  CAIRN_TRY(reader->each([](const RunView&) { return false; }));
  for (const UnfitRecord& record : reader->report().unfit) {
    add_unfit("", record.lsn, "the record is whole, but its run cannot take it: " + record.what);
  }
  std::set<std::string_view> named;  // report only the first gap of each run: all that follows is one, too
  for (const Gap& gap : reader->report().gaps) {
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
    return fail_with_cause("staging/ cannot be read", damaged.status());
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
  std::filesystem::remove_all(directory, error);  // left by a repair that was killed
  CAIRN_TRY_ASSIGN(auto&& image, StoreImage::begin(directory, identity_.store_id, options_.hooks, true));
  const Status s = build_from(*image);
  if (!s.ok() || !options_.commit) {
    image->discard();
  }
  return s;
}

Status Repair::build_from(StoreImage& image) {
  tables_ = TablesSalvage();
  const Status read = salvage_tables(
      options_.directory,
      [&](RunRecord record) -> Status {
        if (tables_.records % kRecordsBetweenQuestions == 0) {
          CAIRN_TRY(ask(std::to_string(tables_.records) + (tables_.records == 1 ? " run read" : " runs read")));
        }
        return image.add(std::move(record));
      },
      [&image](std::string_view key, std::string_view payload) { return image.add_text(key, payload); }, tables_);
  CAIRN_TRY(read);
  CAIRN_TRY(image.flush_texts());  // the log may have newer ones
  floor_ = tables_.applied_lsn.value_or(0);
  Replay replay([&image](std::string_view id) { return image.find(id); });
  CAIRN_TRY(fold_log(replay));
  const std::vector<Gap> gaps = replay.gaps();
  CAIRN_TRY(fold_staging(replay));
  CAIRN_TRY(image.write(replay.take_changes()));
  CAIRN_TRY(image.write({}, tables_.notes));
  CAIRN_TRY(image.write({}, replay.take_notes()));
  CAIRN_TRY_ASSIGN(auto&& sync, sync::repaired_sync(tables_, replay.cursors(), options_.hooks));
  CAIRN_TRY(image.put(sync));
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
    // If the tables are good they have it. They have nothing of an erased run, and that must stay so.
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
  if (log_good_) {  // records after a torn tail were never promised
    wal::ScanReport scan;
    return wal::judge(files_, identity_.store_id, tables_.applied_lsn, wal::Extent::kWhole, visit, scan);
  }
  return wal::salvage(files_, identity_.store_id, [&](const wal::RecordView& record, bool) { return visit(record); });
}

// Folds as a recovery does, with two differences: a transaction is left out if one of its runs cannot be continued, and
// an erase is applied even if a change before it is lost. False: the record does not decode, or does not continue its
// run.
Result<bool> Repair::fold(Replay& replay, const wal::RecordView& record) {
  const auto type = static_cast<LogType>(record.type);
  if (type == LogType::kTransaction) {
    return fold_transaction(replay, record);
  }
  if (type == LogType::kGroup) {
    return fold_group(replay, record);
  }
  if (type == LogType::kErase || type == LogType::kForget) {
    auto erase = decode_change(record.payload);
    if (erase.ok()) {
      CAIRN_TRY_ASSIGN(auto&& state, replay.state(erase->id));
      if (state->record && state->record->created_lsn == erase->created_lsn) {
        state->record->sequence = erase->sequence - 1;
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

// What stands beside a change counts if the change does.
Result<bool> Repair::fold_group(Replay& replay, const wal::RecordView& record) {
  auto parts = split_group(record.payload);
  if (!parts.ok()) {
    return parts.code() == Code::kVersion ? Result<bool>(parts.status()) : false;
  }
  for (const LogPart& part : *parts) {
    wal::RecordView one = record;
    one.type = static_cast<uint8_t>(part.type);
    one.payload = part.payload;
    const size_t gaps = replay.gaps().size();
    CAIRN_TRY_ASSIGN(const bool taken, fold(replay, one));
    if (!taken || replay.gaps().size() != gaps) {
      return taken;
    }
  }
  return true;
}

Result<bool> Repair::fold_transaction(Replay& replay, const wal::RecordView& record) {
  auto diffs = decode_transaction(record.payload);
  if (!diffs.ok()) {
    return false;
  }
  bool whole = true;
  for (const RunDiff& d : *diffs) {
    CAIRN_TRY_ASSIGN(auto&& state, replay.state(d.id));
    const auto& run = state->record;
    // A part of an earlier run of this id, or of one that was erased since, does not prevent the others.
    if (!run || run->created_lsn != d.created_lsn) {
      continue;
    }
    if (d.diff.last <= run->sequence) {
      continue;  // it is in the tables
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
    CAIRN_TRY_ASSIGN(auto&& found, image.find(*at));
    at = found || erased_.count(*at) != 0 ? lost.erase(at) : std::next(at);
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

// Moves what is still in `repair` to its place. The process may be killed after any step.
Status Repair::finish_earlier() {
  if (report.quarantine.empty()) {
    CAIRN_TRY(write_report());
  }
  // Do this first, while log and tables still have the store's id.
  if (!read_identity(files_).ok()) {
    CAIRN_TRY(set_aside("STORE"));
    CAIRN_TRY(write_identity(files_, identity_));
  }
  CAIRN_TRY(set_aside("staging"));
  for (const char* name : {"data", "wal"}) {
    if (is_there(options_.directory + kRepairDirectory + "/" + name)) {
      CAIRN_TRY(set_aside(name));
      CAIRN_TRY(files_.rename(std::string("repair/") + name, name));
    }
  }
  for (const std::string& name : {report.quarantine, std::string("repair"), std::string()}) {
    CAIRN_TRY(files_.sync_directory(name));
  }
  std::error_code error;
  std::filesystem::remove_all(options_.directory + kRepairDirectory, error);
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
  CAIRN_TRY_ASSIGN(auto&& file, files_.open(name + "/REPORT", wal::OpenMode::kCreate));
  CAIRN_TRY(file->write_at(0, text));
  CAIRN_TRY(file->sync());
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
    text += "lost: " + std::to_string(report.lost_unnamed) +
            (report.lost_unnamed == 1 ? " more run, whose id cannot be read either\n"
                                      : " more runs, whose ids cannot be read either\n");
  }
  for (const RepairReport::Shortened& run : report.shortened) {
    text += "lost: changes of run " + run.id + " after sequence " + std::to_string(run.sequence) + ", because LSN " +
            std::to_string(run.lsn) + " does not continue it\n";
  }
  if (report.staging_lost) {
    text += "lost: updates that were not yet in the log, as far as they stood in the damaged part of staging\n";
  }
  return text;
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
  CAIRN_TRY_ASSIGN(auto&& identity, identity_by_any_means(**files, options.directory, lost));
  CAIRN_TRY_ASSIGN([[maybe_unused]] const auto lock, StoreLock::take(options.directory, "repair"));
  Repair work(options, **files, identity);
  if (is_there(options.directory + kRepairDirectory)) {
    work.report.damage.emplace_back("an earlier repair was interrupted while its result was put in place");
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
