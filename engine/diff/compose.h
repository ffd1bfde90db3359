// Folds one entry onto another: forms by the table of forms, constants by evaluation, and the ordered lists of runs
// owned elsewhere.
#pragma once

#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/diff/diff.h"

namespace cairn::engine {

/// Whether a fold with this bound is of a new update, which may still be refused. Changes that were accepted before are
/// folded with a larger bound and never refused.
[[nodiscard]] inline bool accepts(size_t operations_max) { return operations_max <= kOperationsMax; }

/// Folds `next`, of the same key, onto `entry`. `moves` says that the entry now belongs after all others, because the
/// key was created again. If accepts(operations_max): kBacklog, the ordered list would exceed `operations_max`;
/// kTooDeep or kTooLarge, the evaluated value would be. `entry` is then unchanged.
Status compose(DiffEntry& entry, const DiffEntry& next, bool& moves, size_t operations_max);

/// A foreign operation as an entry: its top-level key and its form. Errors: kKeyRefused, kInvalidUtf8,
/// kInvalidArgument (its first segment does not name a single key, or a replace), kUnapplied (an empty path).
Result<DiffEntry> entry_of(const Operation& op);

}  // namespace cairn::engine
