// One operation of a transaction over several runs, and how the transaction is taken.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/base/error_detail.h"
#include "engine/document/operation.h"
#include "engine/records/note.h"

namespace cairn::engine {

struct Run;

struct RunOperation {
  Run* run;
  Operation op;
};

/// What became of operations that were taken in turn.
struct InTurn {
  std::vector<Outcome>
      outcomes;        // of those before the one that failed; of a run owned elsewhere each counts as applied
  Status failed;       // of the one after them; ok: none did
  ErrorDetail detail;  // of `failed`
};

struct TransactOptions {
  /// An operation that does not apply changes nothing, and the others go on. Else it fails the whole.
  bool skip_unapplied = false;
  /// With skip_unapplied, if given: why each of the operations did not apply, by its place; kNone: it did. It has as
  /// many as there are operations.
  std::vector<Reason>* unapplied = nullptr;
  /// Runs that finished at most so long ago are changed too; negative: finished runs are refused (kFinished).
  int64_t late_us = -1;
  /// They stand in one log record with the changes, also if nothing changes.
  std::vector<Note> notes = {};
  /// Not all or none: the operations of one run, each within the limit by itself. One that does not apply changes
  /// nothing; one that fails otherwise ends it, and those before it stay, still in one write.
  InTurn* in_turn = nullptr;
  /// If given: called with the locks held, once it is known what the operations do and before it is written. It
  /// completes `notes`, which are not empty.
  std::function<void(std::vector<Note>& notes)> complete_notes = {};
};

}  // namespace cairn::engine
