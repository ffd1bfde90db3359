// What a store counts.
#pragma once

#include <array>
#include <cstdint>

#include "engine/records/run_status.h"
#include "engine/staging/staging.h"
#include "wal/writer.h"

namespace cairn::engine {

struct StoreStats {
  int64_t created_us = 0;  // the store, wall clock
  uint64_t runs_hot = 0, runs_dirty = 0;
  uint64_t written_lsn = 0, durable_lsn = 0, applied_lsn = 0;
  uint64_t epoch = 0, durable_epoch = 0;
  uint64_t updates_staged_whole = 0;
  uint64_t checkpoint_us = 0;  // all of them took together
  uint64_t reserve_bytes = 0;
  uint64_t flushes = 0, checkpoints = 0, transactions = 0, overflow_appends = 0;
  uint64_t disk_bytes = 0, wal_bytes = 0, staging_bytes = 0, tables_bytes = 0;
  uint64_t table_reads = 0;  // values of the tables that were looked up or walked over
  uint64_t recovered_runs = 0, recovered_diffs = 0, ignored_staged = 0, dropped_records = 0;
  bool torn_tail = false, copied = false, staging_on = false;
  bool staging_lost = false;                  // a staging directory outside was gone at the open, after an unclean end
  bool staging_failed = false;                // a SIGBUS was survived: staging is off until the next open
  std::array<uint64_t, kRunStatuses> runs{};  // of each status, with StoreOptions::count_runs
  wal::Writer::Counters wal;
  Staging::Counters staging;
};

}  // namespace cairn::engine
