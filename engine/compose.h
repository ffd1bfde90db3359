// One entry folded behind another: the table of forms for whole forms, constants evaluated, and the ordered lists of
// runs owned elsewhere.
#pragma once

#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/diff.h"

namespace cairn::engine {

/// Whether a fold with this bound takes an update, and may still refuse it. What was taken before is folded with a
/// larger one, whatever it comes to.
[[nodiscard]] inline bool accepts(size_t operations_max) { return operations_max <= kOperationsMax; }

/// Folds `next`, of the same key, behind `entry`. `moves` says that the entry belongs behind all others now, because
/// the key was made anew. Where it accepts: kBacklog, the ordered list would exceed `operations_max`; kTooDeep,
/// kTooLarge, what it evaluates to. `entry` is then unchanged.
Status compose(DiffEntry& entry, const DiffEntry& next, bool& moves, size_t operations_max);

/// A foreign operation as an entry: its top-level key and its form. Errors: kKeyRefused, kInvalidUtf8,
/// kInvalidArgument (its first segment names no single key, or a replace), kUnapplied (an empty path).
Result<DiffEntry> entry_of(const Operation& op);

/// The top-level key as operations name it: itself, or a path of one segment when it looks like a path.
std::string wire_key(std::string_view name);

/// The sum, when no order of adding could give another one: 64-bit integers without overflow, or doubles that hold
/// integers, all below 2^53.
bool add_exactly(const Value& a, const Value& b, Value& sum);

}  // namespace cairn::engine
