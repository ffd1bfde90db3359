// Folds log records onto run records, by sequence. Recovery, checkpoints and readers all use this code.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/diff/diff.h"
#include "engine/records/log_record.h"
#include "engine/records/run_record.h"
#include "engine/staging/staging.h"
#include "engine/tables/tables.h"
#include "wal/reader.h"

namespace cairn::engine {

/// A record that cannot be folded: its base is beyond the run's sequence, or its run is unknown.
struct Gap {
  std::string id;
  uint64_t lsn = 0;
  uint64_t sequence = 0;  // that the run has
  uint64_t base = 0;      // that the record needs
};

/// How a step from sequence `base` to `last` relates to the run as it is.
enum class RunStep : uint8_t {
  kNext,        // continues the run
  kKnown,       // the run already has it, or it is of an earlier run of this id
  kGap,         // something between them is missing
  kUnknownRun,  // of a later run of this id, whose start record was not found
};
RunStep classify_step(uint64_t created_lsn, uint64_t sequence, uint64_t step_created_lsn, uint64_t base, uint64_t last);

/// The staged diffs of one life of a run.
struct StagedRun {
  std::string_view id;
  uint64_t created_lsn = 0;
  std::vector<const StagedDiff*> diffs;
  /// The longest diff that begins at the sequence; null: there is none.
  [[nodiscard]] const StagedDiff* next_after(uint64_t sequence) const;
};
/// Groups diffs by run, in the order of ids. The result points into `staged`.
std::vector<StagedRun> by_staged_run(const std::vector<StagedDiff>& staged);

class Replay {
 public:
  using Find = std::function<Result<std::optional<RunRecord>>(std::string_view id)>;
  /// `find` gives the stored record of a run.
  explicit Replay(Find find) : find_(std::move(find)) {}

  /// There is an upstream: folds everything into the runs' outbox rows too. `find` must return records with them.
  void ship(bool on) { ship_ = on; }

  /// Folds only the records of these runs; others are not even decoded.
  void only(std::set<std::string, std::less<>> ids) { only_ = std::move(ids); }

  /// Folds one record. Gaps are collected, not returned; a record that does not decode is kCorrupt.
  Status visit(const wal::RecordView& record);

  struct State {
    std::optional<RunRecord> record;  // nullopt: erased, or unknown
    bool changed = false;
    std::optional<Tombstone>
        tombstone;             // with `ship`: a run of this store was erased; a foreign one may have come later
    uint64_t last_lsn = 0;     // of the last record seen; UINT64_MAX: something is staged that the log lacks
    uint64_t unknown_lsn = 0;  // a record of an unknown run was seen: a gap unless an erase follows
    uint64_t unknown_created = 0;
    uint64_t folded_lsn = 0;  // of the last record that changed it
  };
  /// The run's state now, from the store if no record changed it.
  Result<State*> state(std::string_view id);
  [[nodiscard]] const std::map<std::string, State, std::less<>>& states() const { return states_; }

  /// Returns the changes to be written, and forgets them. Call finish() first when the log was read to its end.
  std::vector<Tables::Change> take_changes();
  /// The cursors of received streams, to be written with the last of the changes.
  [[nodiscard]] std::vector<Tables::CursorChange> cursors() const;
  /// The notes of the log since the last call, to be written with the changes. Of one name the last counts.
  std::vector<Note> take_notes();
  /// Bytes of the documents held, roughly: to decide when to split a checkpoint.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  /// Unknown runs that no erase explained become gaps.
  std::vector<Gap> gaps() const;
  [[nodiscard]] uint64_t folded() const { return folded_; }

  /// Folds staged diffs onto the runs: as long as diffs of a run begin at its sequence, the longest of them. The others
  /// are older, or come after a gap. `folded`, if given, gets each folded diff in order.
  Status fold_staged(const std::vector<StagedDiff>& staged,
                     const std::function<void(const std::string& id, uint64_t created_lsn, const Diff&)>& folded);

  /// Folds one diff onto a record, by sequence. False: a gap. `ship`: also onto the outbox row of a run of this store.
  /// `others`: the diff is not by the run's owner.
  static Result<bool> fold_diff(RunRecord& record, const Diff& diff, bool ship, uint64_t lsn, bool others = false);

 private:
  [[nodiscard]] bool wants(std::string_view id) const { return only_.empty() || only_.contains(id); }
  /// As classify_step(); gaps and unknown runs are noted.
  RunStep classify(State& s, const std::string& id, uint64_t created_lsn, uint64_t base, uint64_t last, uint64_t lsn);
  Status visit_start(std::string_view payload, uint64_t lsn);
  Status visit_diff(const RunDiff& d, uint64_t lsn, bool others = false);
  Status visit_change(std::string_view payload, uint64_t lsn, LogType type);
  Status visit_received(std::string_view payload, uint64_t lsn);
  Status visit_rebase(std::string_view payload, uint64_t lsn);
  Status visit_texts(std::string_view payload, uint64_t lsn);
  Status visit_note(std::string_view payload);
  void note_folded(State& s, uint64_t lsn);

  Find find_;
  std::set<std::string, std::less<>> only_;  // empty: all runs
  std::map<std::string, State, std::less<>> states_;
  std::vector<Gap> gaps_;
  std::map<std::string, std::string> cursors_;  // by stream
  std::map<std::pair<NoteKind, std::string>, Note> notes_;
  bool ship_ = false;
  uint64_t bytes_ = 0;
  uint64_t folded_ = 0;
};

}  // namespace cairn::engine
