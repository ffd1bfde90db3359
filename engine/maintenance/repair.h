// Repairs a damaged store from what can be read of it; what is replaced is set aside, not deleted.
//
// The log, the tables' pages and staging are read leniently, as salvage does, and folded by the rules of recovery into
// a new store image. Each run in it is at a prefix of its changes, and a transaction is there whole or not at all. The
// image is made first, so that what is lost is known before anything is changed. It then replaces data/, wal/ and
// staging/, which are moved to quarantine/TIME/ with a report. The directory `repair` is the point of no return: while
// it exists the store cannot be opened, and another repair finishes what this one began.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"

namespace cairn::engine {

struct RepairOptions {
  std::string directory;
  bool commit = false;  // false: only report what is damaged, and what a repair would give
  Hooks hooks;
  /// Called from time to time with what is being done; false stops with kTimeout, and nothing was changed. May be
  /// empty.
  std::function<bool(const std::string& doing)> go_on;
};

struct RepairReport {
  std::vector<std::string> damage;  // one sentence each; empty: there is nothing to repair

  struct LsnRange {
    uint64_t first = 0;
    uint64_t last = 0;
    bool open_end = false;  // and whatever followed: nothing tells how far the log went
  };
  std::vector<LsnRange> lost_lsns;     // of the log, and not in the tables
  std::vector<std::string> lost_runs;  // of which nothing can be read
  uint64_t lost_unnamed = 0;           // more of them, whose ids cannot be read either
  /// A run of which later changes are lost, because a change before them is.
  struct Shortened {
    std::string id;
    uint64_t sequence = 0;  // that the run keeps
    uint64_t lsn = 0;       // of the first record that cannot be applied
  };
  std::vector<Shortened> shortened;
  bool staging_lost = false;  // updates that no flush had sealed may be lost

  uint64_t runs = 0;              // in the repaired store
  std::string quarantine;         // committed: "quarantine/20261124T101500Z"; else ""
  bool finished_earlier = false;  // an interrupted repair was finished; nothing else is known of it

  [[nodiscard]] bool loses() const {
    return !lost_lsns.empty() || !lost_runs.empty() || lost_unnamed != 0 || !shortened.empty() || staging_lost;
  }
};

/// No process may own the store. Errors: kBusy (the detail names the owner), kNotAStore, kCorrupt (log and tables are
/// of different stores, and there is no STORE that says which), kVersion, kUnsafe, kNoSpace (the image needs its own
/// space), kIo, kTimeout. After an error nothing was changed, unless `commit` got as far as the directory `repair`.
Result<RepairReport> repair(const RepairOptions& options);

/// What was damaged and what is lost, one line each; this text is the REPORT in the quarantine.
std::string describe(const RepairReport& report);

}  // namespace cairn::engine
