// Makes a damaged store whole again from what can be read of it; what is replaced is set aside, not deleted.
//
// The log, the tables' pages and staging are read leniently, as salvage does, and folded by the rules of a recovery
// into a store image beside them: each run is then at a prefix of its changes, and a transaction is there whole or not
// at all. The image is made first, so that what is lost is known before anything is changed. It then takes the place of
// data/, wal/ and staging/, which go to quarantine/TIME/ with a report. The directory `repair` is the point of no
// return: while it is there the store is not opened, and another repair finishes what this one began.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/hooks.h"

namespace cairn::engine {

struct RepairOptions {
  std::string directory;
  bool commit = false;  // false: only say what is damaged, and what a repair would give
  Hooks hooks;
  /// Asked now and then with what is being done; false stops with kTimeout, and nothing was changed. May be empty.
  std::function<bool(const std::string& doing)> go_on;
};

struct RepairReport {
  std::vector<std::string> damage;  // one sentence each; none: there is nothing to repair

  struct LsnRange {
    uint64_t first = 0;
    uint64_t last = 0;
    bool open_end = false;  // and whatever followed: nothing tells how far the log went
  };
  std::vector<LsnRange> lost_lsns;     // of the log, and not in the tables either
  std::vector<std::string> lost_runs;  // of which nothing can be read
  uint64_t lost_unnamed = 0;           // more of them, whose ids cannot be read either
  /// Runs that stay where they are because a change in between is lost: the later ones do not follow on.
  struct Shortened {
    std::string id;
    uint64_t sequence = 0;  // the run keeps
    uint64_t lsn = 0;       // of the first record that does not follow on
  };
  std::vector<Shortened> shortened;
  bool staging_lost = false;  // updates that no flush had sealed may be lost

  uint64_t runs = 0;              // that the repaired store has
  std::string quarantine;         // committed: "quarantine/20261124T101500Z"; "" else
  bool finished_earlier = false;  // a repair that was cut short was finished; nothing else is known of it

  [[nodiscard]] bool loses() const {
    return !lost_lsns.empty() || !lost_runs.empty() || lost_unnamed != 0 || !shortened.empty() || staging_lost;
  }
};

/// Nobody may own the store. Errors: kBusy (who owns it is in the detail), kNotAStore, kCorrupt (log and
/// tables of different stores, and no STORE that says which), kVersion, kUnsafe, kNoSpace (the image needs room beside
/// the store), kIo, kTimeout. Nothing was changed then, unless `commit` got as far as the directory `repair`.
Result<RepairReport> repair(const RepairOptions& options);

/// What was damaged and what is lost, one line each; the REPORT in the quarantine.
std::string describe(const RepairReport& report);

/// kCorrupt while a repair is cut short.
Status check_no_repair(const std::string& directory);

}  // namespace cairn::engine
