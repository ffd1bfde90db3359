// Folds log records onto run records, by sequence: at recovery, at a checkpoint and in a reader, always by this code.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/diff.h"
#include "engine/log_record.h"
#include "engine/run_record.h"
#include "engine/staging.h"
#include "engine/tables.h"
#include "wal/reader.h"

namespace cairn::engine {

/// A record that cannot be folded: its base lies beyond the run's sequence, or its run is unknown.
struct Gap {
  std::string id;
  uint64_t lsn = 0;
  uint64_t sequence = 0;  // the run has
  uint64_t base = 0;      // the record wants
};

/// What a step of a run from sequence `base` to `last` is to a run that is there.
enum class RunStep : uint8_t {
  kNext,        // it goes on with this
  kKnown,       // it has this, or this is of an earlier life of its id
  kGap,         // something is missing between
  kUnknownRun,  // of a later life of its id, whose start was not met
};
RunStep judge_step(uint64_t created_lsn, uint64_t sequence, uint64_t step_created_lsn, uint64_t base, uint64_t last);

/// What staging gave of one life of a run.
struct StagedRun {
  std::string_view id;
  uint64_t created_lsn = 0;
  std::vector<const StagedDiff*> diffs;
  /// Of those that begin at the sequence, the longest; null: none does.
  [[nodiscard]] const StagedDiff* next_behind(uint64_t sequence) const;
};
/// By id. They point into `staged`.
std::vector<StagedRun> by_staged_run(const std::vector<StagedDiff>& staged);

class Replay {
 public:
  using Find = std::function<Result<std::optional<RunRecord>>(std::string_view id)>;
  /// `find` gives the stored record of a run.
  explicit Replay(Find find) : find_(std::move(find)) {}

  /// What is folded is also folded into the runs' outbox rows: an upstream is set. `find` gives those with the records.
  void ship(bool on) { ship_ = on; }

  /// Only the records of these runs are folded; others are not even decoded.
  void only(std::set<std::string, std::less<>> ids) { only_ = std::move(ids); }

  /// Folds one record. Gaps are collected, not returned; a record that does not decode is kCorrupt.
  Status visit(const wal::RecordView& record);

  struct State {
    std::optional<RunRecord> record;  // nothing: erased, or unknown
    bool changed = false;
    std::optional<Tombstone>
        tombstone;             // with `ship`: a run of this store was erased; a foreign one may have come since
    uint64_t last_lsn = 0;     // of the last record met; UINT64_MAX: something is staged that the log has not
    uint64_t unknown_lsn = 0;  // a record of an unknown run was met: a gap unless an erase follows
    uint64_t unknown_created = 0;
  };
  /// The run's state now (from the store if no record touched it).
  Result<State*> state(std::string_view id);
  [[nodiscard]] const std::map<std::string, State, std::less<>>& states() const { return states_; }

  /// What is to be written, and forgets it. Call finish() first when the log was read to its end.
  std::vector<Tables::Change> take_changes();
  /// Of the streams that came in: what goes with the last of the changes.
  [[nodiscard]] std::vector<Tables::CursorChange> cursors() const;
  /// Bytes of documents held, roughly: for splitting a checkpoint.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  /// Unknown runs that no erase explained become gaps.
  std::vector<Gap> gaps() const;
  [[nodiscard]] uint64_t folded() const { return folded_; }

  /// Folds what staging gave onto the runs: of each run, while some diffs begin at its sequence, the longest of them.
  /// The rest is older, or lies behind a gap. `folded`, if given, gets each in its order.
  Status fold_staged(const std::vector<StagedDiff>& staged,
                     const std::function<void(const std::string& id, uint64_t created_lsn, const Diff&)>& folded);

  /// Folds one diff onto a record, by sequence. False: a gap. `ship`: also onto the outbox row of a run of this store.
  /// `others`: it is not its owner's.
  static Result<bool> fold_diff(RunRecord& record, const Diff& diff, bool ship, uint64_t lsn, bool others = false);

 private:
  [[nodiscard]] bool wants(std::string_view id) const { return only_.empty() || only_.contains(id); }
  /// As judge_step(); gaps and unknown runs are noted.
  RunStep judge(State& s, const std::string& id, uint64_t created_lsn, uint64_t base, uint64_t last, uint64_t lsn);
  Status visit_start(std::string_view payload, uint64_t lsn);
  Status visit_diff(const RunDiff& d, uint64_t lsn, bool others = false);
  Status visit_change(std::string_view payload, uint64_t lsn, LogType type);
  Status visit_received(std::string_view payload, uint64_t lsn);
  Status visit_rebase(std::string_view payload, uint64_t lsn);

  Find find_;
  std::set<std::string, std::less<>> only_;  // empty: all
  std::map<std::string, State, std::less<>> states_;
  std::vector<Gap> gaps_;
  std::map<std::string, std::string> cursors_;  // by stream
  bool ship_ = false;
  uint64_t bytes_ = 0;
  uint64_t folded_ = 0;
};

}  // namespace cairn::engine
