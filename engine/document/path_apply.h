// Applies an operation at the places of a path. Rules for what the model (Trigger.dev) does not define:
// - An index is a canonical decimal (no sign, no leading zero) of at most 2^31 - 1. Any other name on an array, a
//   larger number included, is unapplied: kNoSuchIndex. On an object every name is a property.
// - A slice on an object matches nothing: kNoMatch.
// - delete removes an element from its array, and the rest moves up. If the container exists and the leaf does not, it
//   is kUnchanged.
// - Of several branches (`*`, slices) those that lead nowhere are skipped. Only if all do, the operation is unapplied,
//   with the reason of the first.
// - With several places append, remove and increment compute from the first one, and all get that result. A missing
//   leaf whose container exists is a place: it may be the first (and counts as absent), and it is created.
// - A null leaf is a value like any other: set overwrites it, append gives [null, v], increment starts at N.
#pragma once

#include <cstddef>
#include <vector>

#include "cairn/status.h"
#include "engine/document/operation.h"
#include "engine/document/path.h"
#include "engine/json/value.h"

namespace cairn::engine {

/// Applies `op` (set, delete, append, remove, increment) at `segments[first..]` inside `root` (an object, array or
/// leaf), in place. `root` is at segments[first - 1] of the document, or is the document if first is 0; with
/// first == segments.size() it is the leaf itself. `bytes_max` bounds what the operation may allocate: kTooLarge when
/// the nulls before a far index, or the copies for several matches, alone would take more JSON than that. The caller
/// checks the exact size. On kUnapplied and errors `root` is unchanged.
/// Errors: kTooLarge, kTooDeep, and those of plan_edit; kInvalidArgument for kReplace, and for a delete of root itself.
Result<Outcome> apply_at(Value& root, const std::vector<Segment>& segments, size_t first, const Operation& op,
                         size_t bytes_max);

/// The value at the path (first match), or null; null for the empty path.
const Value* find_at(const Value& root, const std::vector<Segment>& segments, size_t first);

}  // namespace cairn::engine
