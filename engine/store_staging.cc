// Staging over the life of a store: found at the open, wherever it was, begun anew, and left when its files fail.
#include "engine/store.h"

namespace cairn::engine {

// Everything that an earlier process may have staged: inside, and in the directory that STAGING names.
Status Store::find_staging(bool copied, bool clean, StagingScan& scan) {
  CAIRN_TRY(scan_staging(staging_inside(*files_), identity_, scan));
  auto record = read_staging_record(*files_);
  std::string gone;
  if (record.ok()) {
    staging_record_ = *record;
  } else if (record.code() == Code::kCorrupt) {
    staging_record_.emplace();
    gone = "STAGING is damaged: the staging directory that it named is unknown";
  } else if (record.code() != Code::kNotFound) {
    return fail(record.status(), std::string(record.status().what) + ": nothing was touched");
  }
  if (record.ok() && copied) {
    // What it names belongs to the original, which may be alive.
    gone = "this copy of a store does not hold what the original had staged in " + record->directory;
  } else if (record.ok()) {
    const uint64_t files_before = scan.files;
    auto place = staging_outside(record->directory);
    if (place.ok()) {
      CAIRN_TRY(scan_staging(*place, identity_, scan));
      old_staging_ = std::move(*place);
    } else if (place.code() == Code::kNotFound && options_.need_staging_dir && !clean &&
               record->boot_id == identity_.boot_id) {
      return fail(Code::kAgain, "a process that was killed left updates in " + record->directory +
                                    ", which cannot be seen from here: run this where that process ran; if the "
                                    "directory is gone for good, `mkdir -p -m 700 " +
                                    record->directory + "` gives them up");
    } else if (place.code() != Code::kNotFound) {
      return fail(place.status(), record->directory + ": " + place.status().what +
                                      "; acknowledged updates may be in there, so mend it and open again");
    }
    // After a reboot its content counts for nothing, be it there or not.
    if (scan.files == files_before && record->boot_id == identity_.boot_id) {
      gone = "the staging directory " + record->directory + " is gone";
    }
  }
  if (options_.staging && !options_.staging_dir.empty()) {
    auto path = staging_path(options_.staging_dir, options_.directory, identity_.store_id);
    if (!path.ok()) {
      return fail(path.status(), path.status().what);
    }
    options_.staging_dir = *path;
    // Files that no record names hold nothing newer than the log, unless the record was damaged.
    if (!old_staging_ || old_staging_->directory != *path) {
      if (auto place = staging_outside(*path); place.ok()) {
        CAIRN_TRY(scan_staging(*place, identity_, scan));
      }
    }
  }
  if (!gone.empty() && !clean) {
    stats_.staging_lost = true;
    log(LogLevel::kWarning, Code::kOk, gone + ": updates of class process since the last flush may be lost");
  }
  return {};
}

// What the old files gave is in the log, durably. The new file is made, the record names its directory, then the old
// files go: a crash in between leaves what the log has already.
Status Store::begin_staging() {
  StagingPlace place = staging_inside(*files_);
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
  const bool outside = staging_ != nullptr && !place.directory.empty();
  Status recorded;
  if (!outside && staging_record_) {
    recorded = remove_staging_record(*files_);
  } else if (outside && (!staging_record_ || staging_record_->directory != place.directory ||
                         staging_record_->boot_id != identity_.boot_id)) {
    recorded = write_staging_record(*files_, {place.directory, identity_.boot_id});
  }
  if (!recorded.ok()) {
    return fail(recorded, "the file STAGING cannot be changed");
  }
  // They must not match anything later on.
  Status removed;
  if (staging_ == nullptr || outside) {
    removed = Staging::supersede(staging_inside(*files_));
  }
  if (removed.ok() && old_staging_ && (staging_ == nullptr || old_staging_->directory != place.directory)) {
    removed = Staging::supersede(*old_staging_);
  }
  old_staging_.reset();
  return removed.ok() ? removed : fail(removed, "the old staging files cannot be removed");
}

Status Store::make_staging(const StagingPlace& place) {
  Staging::Options staging_options;
  staging_options.identity = identity_;
  options_.hooks.random_bytes(options_.hooks.context, &staging_options.staging_id, sizeof staging_options.staging_id);
  staging_options.seam = options_.hooks.staging;
  staging_options.may_grow = [this](uint64_t bytes) { return may_grow(bytes, Grows::kOther); };
  if (options_.guard_sigbus) {
    auto guard = SigbusGuard::install(gate_, kStagingFailed);
    if (!guard.ok()) {
      return fail(guard.status(), "the handler of SIGBUS cannot be installed");
    }
    guard_ = std::move(*guard);
    staging_options.guard = guard_.get();
  }
  auto staging = reserve_owed_ ? Result<std::unique_ptr<Staging>>(Code::kNoSpace)  // what room there is, is not for it
                               : Staging::create(place, staging_options);
  if (staging.ok()) {
    staging_ = std::move(*staging);
  } else if (staging.code() == Code::kNoSpace) {
    log(LogLevel::kWarning, Code::kNoSpace,
        "no space for a staging file: until the next open every update is written to the log");
  } else {
    return fail(staging.status(), "the staging file cannot be made");
  }
  return {};
}

// A page of staging was lost, and what stands in the files with it; all of it is in memory, too. From here on every
// update appends; what was pending goes into the log now.
Status Store::leave_staging() {
  if (gate_.load() != kStagingFailed) {
    return {};
  }
  CAIRN_TRY(flush(false));
  int32_t failed = kStagingFailed;
  if (gate_.compare_exchange_strong(failed, static_cast<int32_t>(Code::kOk))) {
    log(LogLevel::kError, Code::kIo,
        "a staging file was truncated, or its disk failed: until the next open every update is written to the log");
  }
  return {};
}

}  // namespace cairn::engine
