// What a look at a store found besides its runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/directory/store_lock.h"
#include "engine/replay/replay.h"
#include "engine/staging/staging.h"
#include "wal/reader.h"

namespace cairn::engine {

/// A record of the log with a right checksum that cannot be used: it does not decode, or does not continue its run.
struct UnfitRecord {
  uint64_t lsn = 0;
  std::string what;
};

struct ReadReport {
  LockOwner owner;
  wal::ScanReport log;
  StagingScan staging;       // without the diffs
  std::string staging_gone;  // the directory outside the store that STAGING names, if it is not there; else ""
  std::vector<Gap> gaps;
  std::vector<UnfitRecord> unfit;  // salvage: records that were skipped
  uint64_t applied_lsn = 0;
  uint64_t attempts = 0;
  uint64_t copied_bytes = 0;   // of the log
  uint64_t head_bytes = 0;     // for choosing a page
  uint64_t folded_runs = 0;    // runs that were held in memory: those with something in staging or the log
  std::string store_problem;   // salvage: why STORE is not used; "" if it is
  std::string tables_problem;  // salvage: why LMDB could not be read; "" if it could
};

}  // namespace cairn::engine
