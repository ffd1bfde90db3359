// One operation of a transaction over several runs, and how the transaction is taken.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/document/operation.h"
#include "engine/records/note.h"

namespace cairn::engine {

struct Run;

struct RunOperation {
  Run* run;
  Operation op;
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
};

}  // namespace cairn::engine
