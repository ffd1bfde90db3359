// What an upstream says of the runs that others wrote. PROTOCOL.md is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"

namespace cairn::engine::sync {

inline constexpr size_t kUnseenRunsMax = 1000;

/// Runs of one owner that others have written since the owner asked for them last.
struct Unseen {
  // Names what the upstream remembers of this owner. Another one: it has forgotten what it had not told yet. 0: it
  // remembers nothing of this owner.
  uint64_t feed = 0;
  std::vector<std::string> runs;  // at most kUnseenRunsMax; the others are named later
  bool operator==(const Unseen&) const = default;
};
void write_unseen(MsgpackWriter& out, const Unseen& unseen);
bool read_unseen(MsgpackCursor& in, Unseen& unseen);

}  // namespace cairn::engine::sync
