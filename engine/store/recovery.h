// The open of a store: takes the lock, recovers what earlier processes left, and makes the parts.
//
// Recovery: check identity, replay the log from applied_lsn, then staging, run by run: of all valid buffers of all its
// slots, while one has base == the run's sequence, apply the one with the highest last sequence among them. What
// staging gave goes into the new log segment first (wal::begin_writer), then the new staging file replaces the old
// ones. Nothing is bumped before; each step may be cut by a crash.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/directory/identity.h"
#include "engine/directory/store_directory.h"
#include "engine/replay/replay.h"
#include "engine/store/parts.h"
#include "engine/store/run_writer.h"
#include "engine/sync/outbox.h"
#include "wal/reader.h"

namespace cairn::engine {

class Recovery {
 public:
  /// Its options are there. After a failure the parts that were made may have to be closed (Store's destructor).
  Recovery(StoreParts& parts, RunWriter& run_writer)
      : parts_(parts),
        options_(parts.options),
        run_writer_(run_writer),
        gate_(run_writer.gate()),
        replay_([this](std::string_view id) { return parts_.runs.tables()->find_for_fold(id); }) {}
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;
  Status run();

 private:
  // In this order.
  Status take_files();
  Status choose_staging(FileSystem of_store);
  Status take_lock();
  Status find_identity();
  Status open_tables();
  Status load_outbox();
  Status replay_log();
  Status begin_log();
  void make_parts();
  Status begin_life();
  Status note_place();
  Status checkpoint_log();
  void begin_steps();
  void note_opened();

  Status check_born();
  /// Behind `applied`, at which the tables are.
  [[nodiscard]] bool log_goes_on(uint64_t applied) const;
  Status fold_recovered();
  Status note_mended();

  // recover_staging.cc
  Status find_staging(StagingScan& scan);
  Status find_staging_outside(const StagingRecord& record, StagingScan& scan, std::string& gone);
  Status recover_staged(const StagingScan& scan);
  Status begin_staging();
  Status make_staging(const StagingPlace& place);

  void log(LogLevel level, Code code, const std::string& message) const {
    write_log(parts_.options.hooks, level, code, message);
  }

  StoreParts& parts_;
  StoreOptions& options_;  // of the parts
  RunWriter& run_writer_;
  Gate& gate_;
  Replay replay_;

  bool born_ = false;  // there was a store
  Identity identity_;
  uint64_t applied_ = 0;  // LSN up to which the tables had the log
  Life life_;             // as the tables have it
  wal::ScanReport report_;
  std::optional<StagingRecord> staging_record_;  // what STAGING says
  std::optional<StagingPlace> old_staging_;      // the directory outside that it names
  std::vector<wal::RecoveryRecord> staged_;      // what staging gave, for the log
};

}  // namespace cairn::engine
