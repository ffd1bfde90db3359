// Paths: keys that start with "$.". A path splits at dots; empty segments vanish; `\.` is a dot in a name; a segment is
// a property name, an array index, `*` or a slice `[s:e]` (either end may be absent or negative).
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

/// kKeyRefused for __proto__, constructor, prototype as a segment. An empty path parses to no segments.
Result<std::vector<Segment>> parse_path(std::string_view key);

/// Applies `op` (set, delete, append, remove, increment) at `segments[first..]` inside `root` (an object, array or
/// leaf), in place. `bytes_max` bounds what a far index may allocate (nulls): kTooLarge. On kUnapplied and errors
/// `root` is unchanged.
Result<Outcome> apply_at(Value& root, const std::vector<Segment>& segments, size_t first, const Operation& op,
                         size_t bytes_max);

/// The value at the path (first match), or nothing.
const Value* find_at(const Value& root, const std::vector<Segment>& segments, size_t first);

}  // namespace cairn::engine
