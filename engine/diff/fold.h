// Folds one diff onto another, and stores a diff into a document.
#pragma once

#include <cstddef>

#include "cairn/status.h"
#include "engine/diff/diff.h"

namespace cairn::engine {

/// Folds `next` onto `into`. kInternal("gap") unless next.base == into.last. With kOperationsMax, which is for new
/// updates, also kBacklog (an ordered list would be longer), kTooDeep (check_nesting) and kTooLarge (a path on a
/// constant). With kStoredOperationsMax nothing that was accepted is refused. On error `into` is unchanged.
/// Associative; values are those of `next` if it has them, else they are evaluated.
Status fold(Diff& into, const Diff& next, size_t operations_max = kOperationsMax);

/// Stores the diff's values into the document of a local run. The caller keeps the run's sequence (fold by sequence).
/// kCorrupt if the diff cannot be one of a local run (an entry without value).
Status apply(const Diff& diff, Document& document);

/// Folds one operation into the diff of a run owned elsewhere, which has no document here: forms only. Advances `last`.
/// Operations of an ordered list that act on one path are folded too, if that is exact. Errors (`diff` unchanged):
/// kBacklog, kTooDeep, kTooLarge (a path on a constant), those of check_key, kUnapplied (an empty path),
/// kInvalidArgument (a path that starts with `*` or a slice does not name a single key), kTypeMismatch (a replace by
/// something that is not an object).
Status fold_foreign(Diff& diff, const Operation& op);

}  // namespace cairn::engine
