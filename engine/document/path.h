// Paths: keys that start with "$.". A path splits at dots; empty segments vanish; `\.` is a dot in a name and `\\` a
// backslash (any other backslash is itself); a segment is a property name, an array index, `*` (all children) or a
// slice `[s:e]` (either end may be absent or negative, as JavaScript's Array.prototype.slice takes them; no step).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

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
/// backslashes (as Trigger.dev's server does). No allocation.
Status check_path(std::string_view key);

/// As check_path. An empty path parses to no segments.
Result<std::vector<Segment>> parse_path(std::string_view key);

/// The top-level key as operations write it: itself, or a path of one segment if it looks like a path.
std::string wire_key(std::string_view name);

}  // namespace cairn::engine
