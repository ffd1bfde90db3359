// Paths: keys that start with "$.". A path splits at dots; empty segments vanish; `\.` is a dot in a name and `\\` a
// backslash (any other backslash is itself); a segment is a property name, an array index, `*` (all children) or a
// slice
// `[s:e]` (either end may be absent or negative, as JavaScript's Array.prototype.slice takes them; no step).
//
// Rules where the model is silent:
// - An index is a canonical decimal (no sign, no leading zero) of at most 2^31 - 1. Any other name on an array, a
// larger
//   number included, is unapplied: kNoSuchIndex. On an object every name is a property.
// - A slice on an object matches nothing: kNoMatch.
// - delete takes an element out of its array, and the rest moves up. Where the container is there and the leaf is not,
//   it is kUnchanged.
// - Of several branches (`*`, slices) those that lead nowhere are passed over. Only if all do, the operation is
//   unapplied, with the reason of the first.
// - With several places append, remove and increment compute from the first one, and all take that result. A leaf that
//   is missing while its container is there is a place: it may be the first (and counts as absent), and it is made.
// - A null leaf is a value like any other: set overwrites it, append gives [null, v], increment starts at N.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/operation.h"
#include "engine/value.h"

namespace cairn::engine {

struct Segment {
  enum class Kind : uint8_t { kName, kAll, kSlice };
  Kind kind = Kind::kName;
  std::string name;   // kName: as written, unescaped; an index on an array when it is a canonical decimal
  int64_t begin = 0;  // kSlice
  int64_t end = 0;
  bool has_begin = false;
  bool has_end = false;
};

inline bool is_path(std::string_view key) { return key.size() >= 2 && key[0] == '$' && key[1] == '.'; }

/// kKeyRefused for __proto__, constructor, prototype as a segment, or as a part of one between brackets, quotes or
/// backslashes (as the model's server does). No allocation.
Status check_path(std::string_view key);

/// As check_path. An empty path parses to no segments.
Result<std::vector<Segment>> parse_path(std::string_view key);

/// Applies `op` (set, delete, append, remove, increment) at `segments[first..]` inside `root` (an object, array or
/// leaf), in place. `root` stands at segments[first - 1] of the document, or is the document when first is 0; with
/// first == segments.size() it is the leaf itself. `bytes_max` bounds what the operation may allocate: kTooLarge when
/// the nulls before a far index, or the copies for several matches, alone would take more JSON than that. The caller
/// checks the exact size. On kUnapplied and errors `root` is unchanged.
/// Errors: kTooLarge, kTooDeep, and those of plan_edit; kInvalidArgument for kReplace, and for a delete of root itself.
Result<Outcome> apply_at(Value& root, const std::vector<Segment>& segments, size_t first, const Operation& op,
                         size_t bytes_max);

/// The value at the path (first match), or nothing; also nothing for the empty path.
const Value* find_at(const Value& root, const std::vector<Segment>& segments, size_t first);

}  // namespace cairn::engine
