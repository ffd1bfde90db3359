// The table of operations for one value: what an operation does to the value at its key. Planning changes nothing, so a
// caller can check sizes and remember how to undo before it carries the edit out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cairn/status.h"
#include "engine/document/operation.h"
#include "engine/json/value.h"

namespace cairn::engine {

enum class EditKind : uint8_t {
  kNone,    // the outcome is kUnchanged or kUnapplied
  kAssign,  // the operation's value replaces it
  kNumber,  // `number` replaces it
  kErase,
  kPush,  // the operation's value goes to the end of the array; an absent value becomes an array of one
  kWrap,  // [the value there, the operation's value]
  kDrop,  // the items at `dropped` are removed from the array
};

struct Edit {
  EditKind kind = EditKind::kNone;
  Outcome outcome;
  Value number;
  std::vector<size_t> dropped;  // ascending, not empty for kDrop
};

/// Plans what `op` (set, delete, append, remove, increment) does to `existing` (null: absent). The operation's path is
/// ignored: the caller has found the value. `levels` is how many containers hold the value: 1 for a top-level one.
/// Delete of an absent value and a remove that finds no equal item are kUnchanged; everything else that fits is
/// kApplied, even if the new value equals the old.
/// Errors: kTooDeep (the document would have more than kDepthMax levels), kNotFinite (increment by NaN or infinity),
/// kInvalidArgument (kReplace; increment by something that is not a number).
/// Cost: no copy of values; a remove compares all items; depth is measured only if the operation's value is a container
/// or the existing value is wrapped.
Result<Edit> plan_edit(const Value* existing, const Operation& op, int levels);

/// Carries out an edit other than kNone and kErase. `slot` holds the value that was planned for, or null for an absent
/// one. `argument` is the operation's value: move it in, or copy it. An array is changed in place.
void carry_out(Edit edit, Value argument, Value& slot);

/// Exact JSON bytes of the value after the edit, 0 after kErase. `existing_bytes` are those of the value before.
/// Cost: that of json_bytes of the operation's value or the dropped items; the rest of the value is not visited.
size_t edited_bytes(const Edit& edit, const Operation& op, const Value* existing, size_t existing_bytes);

/// Positions of the items that are deep-equal to `item`.
std::vector<size_t> equal_items(const Array& array, const Value& item);

}  // namespace cairn::engine
