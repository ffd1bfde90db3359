// What a sender tells of itself in a question with which it follows its runs. PROTOCOL.md is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"

namespace cairn::engine::sync {

inline constexpr size_t kAboutBytesMax = 255;  // of a text

struct About {
  std::string host;       // name of the machine
  std::string directory;  // of the store, as its process opened it
  uint64_t process = 0;   // its id
  // While it has unfinished runs it asks again after so long, as long as it lives; 0: it does not say so.
  uint64_t interval_ms = 0;
  bool operator==(const About&) const = default;
};

/// Texts that are no UTF-8 or too long come as near as they may: '?' for what is none, "..." for the beginning.
void write_about(MsgpackWriter& out, const About& about);
/// Passes over members that it does not know, and those whose value it cannot use. False: it is no such map.
bool read_about(MsgpackCursor& in, About& about);

}  // namespace cairn::engine::sync
