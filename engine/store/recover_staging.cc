// Staging at an open: what earlier processes staged is found, and a new staging file begins.
#include <algorithm>
#include <cassert>

#include "engine/base/error_detail.h"
#include "engine/records/log_record.h"
#include "engine/store/recovery.h"

namespace cairn::engine {

namespace {

// Staged diffs that follow a gap. Only a disk image that was taken while the owner ran can have them.
uint64_t not_reached(const StagingScan& scan, Replay& replay) {
  return static_cast<uint64_t>(std::count_if(scan.diffs.begin(), scan.diffs.end(), [&replay](const StagedDiff& s) {
    auto state = replay.state(s.run_id);
    return state.ok() && (*state)->record && (*state)->record->created_lsn == s.created_lsn &&
           s.diff.last > (*state)->record->sequence;
  }));
}

}  // namespace

// `gone`: what to say where the directory that STAGING names is not there any more.
Status Recovery::find_staging_outside(const StagingRecord& record, StagingScan& scan, std::string& gone) {
  const bool of_this_boot = record.boot_id == parts_.identity.boot_id;
  const uint64_t files_before = scan.files;
  auto place = staging_outside(record.directory);
  if (place.ok()) {
    CAIRN_TRY(scan_staging(*place, parts_.identity, scan));
    old_staging_ = std::move(*place);
  } else if (place.code() == Code::kNotFound && options_.need_staging_dir && !report_.clean && of_this_boot) {
    return fail(Code::kAgain, "a process that was killed left updates in " + record.directory +
                                  ", which cannot be seen from here: run this where that process ran; if the "
                                  "directory is gone for good, `mkdir -p -m 700 " +
                                  record.directory + "` gives them up");
  } else if (place.code() != Code::kNotFound) {
    return fail(place.status(), record.directory + ": " + place.status().what +
                                    "; acknowledged updates may be in there, so mend it and open again");
  }
  // After a reboot its content counts for nothing.
  if (scan.files == files_before && of_this_boot) {
    gone = "the staging directory " + record.directory + " is gone";
  }
  return {};
}

// Everything that an earlier process may have staged: inside, and in the directory that STAGING names.
Status Recovery::find_staging(StagingScan& scan) {
  CAIRN_TRY(scan_staging(staging_inside(*parts_.files), parts_.identity, scan));
  auto record = read_staging_record(*parts_.files);
  std::string gone;
  if (record.ok()) {
    staging_record_ = *record;
  } else if (record.code() == Code::kCorrupt) {
    staging_record_.emplace();
    gone = "STAGING is damaged: the staging directory that it named is unknown";
  } else if (record.code() != Code::kNotFound) {
    return fail(record.status(), std::string(record.status().what) + ": nothing was touched");
  }
  if (record.ok() && identity_.copied) {
    // What it names belongs to the original, which may be alive.
    gone = "this copy of a store does not hold what the original had staged in " + record->directory;
  } else if (record.ok()) {
    CAIRN_TRY(find_staging_outside(*record, scan, gone));
  }
  if (options_.staging && !options_.staging_dir.empty()) {
    auto path = staging_path(options_.staging_dir, options_.directory, parts_.identity.store_id);
    if (!path.ok()) {
      return fail(path.status(), path.status().what);
    }
    options_.staging_dir = *path;
    // Files that no record names hold nothing newer than the log, unless the record was damaged.
    if (!old_staging_ || old_staging_->directory != *path) {
      if (auto place = staging_outside(*path); place.ok()) {
        CAIRN_TRY(scan_staging(*place, parts_.identity, scan));
      }
    }
  }
  if (!gone.empty() && !report_.clean) {
    parts_.opened.staging_lost = true;
    log(LogLevel::kWarning, Code::kOk, gone + ": updates of class process since the last flush may be lost");
  }
  return {};
}

// What the old files gave is in the log, durably. The new file is made, the record names its directory, then the old
// files go: a crash in between leaves what the log has already.
Status Recovery::begin_staging() {
  StagingPlace place = staging_inside(*parts_.files);
  if (options_.staging) {
    if (!options_.staging_dir.empty()) {
      const Status made = make_staging_outside(options_.staging_dir);
      auto outside = made.ok() ? staging_outside(options_.staging_dir) : Result<StagingPlace>(made);
      if (!outside.ok()) {
        return fail(outside.status(), "staging_dir: " + options_.staging_dir + ": " + outside.status().what);
      }
      place = std::move(*outside);
    }
    CAIRN_TRY(make_staging(place));
  }
  const bool outside = parts_.staging != nullptr && !place.directory.empty();
  Status recorded;
  if (!outside && staging_record_) {
    recorded = remove_staging_record(*parts_.files);
  } else if (outside && (!staging_record_ || staging_record_->directory != place.directory ||
                         staging_record_->boot_id != parts_.identity.boot_id)) {
    recorded = write_staging_record(*parts_.files, {place.directory, parts_.identity.boot_id});
  }
  if (!recorded.ok()) {
    return fail(recorded, "the file STAGING cannot be changed");
  }
  // They must not match anything later on.
  Status removed;
  if (parts_.staging == nullptr || outside) {
    removed = Staging::supersede(staging_inside(*parts_.files));
  }
  if (removed.ok() && old_staging_ && (parts_.staging == nullptr || old_staging_->directory != place.directory)) {
    removed = Staging::supersede(*old_staging_);
  }
  old_staging_.reset();
  return removed.ok() ? removed : fail(removed, "the old staging files cannot be removed");
}

Status Recovery::make_staging(const StagingPlace& place) {
  Staging::Options staging_options;
  staging_options.identity = parts_.identity;
  options_.hooks.random_bytes(options_.hooks.context, &staging_options.staging_id, sizeof staging_options.staging_id);
  staging_options.seam = options_.hooks.staging;
  staging_options.may_grow = [&p = parts_](uint64_t bytes) {
    return p.budget->may_grow(bytes, DiskBudget::Grows::kOther);
  };
  if (options_.guard_sigbus) {
    auto guard = gate_.guard_staging();
    if (!guard.ok()) {
      return fail(guard.status(), "the handler of SIGBUS cannot be installed");
    }
    parts_.guard = std::move(*guard);
    staging_options.guard = parts_.guard.get();
  }
  auto staging = gate_.keeps_room()
                     ? Result<std::unique_ptr<Staging>>(Code::kNoSpace)  // what room there is, is not for it
                     : Staging::create(place, staging_options);
  if (staging.ok()) {
    parts_.staging = std::move(*staging);
  } else if (staging.code() == Code::kNoSpace) {
    log(LogLevel::kWarning, Code::kNoSpace,
        "no space for a staging file: until the next open every update is written to the log");
  } else {
    return fail(staging.status(), "the staging file cannot be made");
  }
  return {};
}

Status Recovery::recover_staged(const StagingScan& scan) {
  std::string_view last_run;
  CAIRN_TRY(replay_.fold_staged(scan.diffs, [&](const std::string& id, uint64_t created_lsn, const Diff& diff) {
    wal::RecoveryRecord r;
    r.type = static_cast<uint8_t>(LogType::kDiff);
    append_run_diff(r.payload, {id, created_lsn, diff});
    assert(check_log_record(r.type, r.payload).ok());  // see add_record
    staged_.push_back(std::move(r));
    parts_.opened.recovered_runs += id != last_run ? 1 : 0;
    last_run = id;
  }));
  parts_.opened.ignored_staged = not_reached(scan, replay_);
  return {};
}

}  // namespace cairn::engine
