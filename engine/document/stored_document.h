// Reads from a document as it is stored, without decoding the rest of it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/document/path.h"
#include "engine/json/value.h"

namespace cairn::engine {

enum class Found : uint8_t { kNothing, kValue, kMalformed };

/// The value at a path of one segment or more, as find_at() has it, of a document in msgpack. What is not on the way is
/// passed over: it may be malformed without being found out.
Found find_in_stored(std::string_view document, const std::vector<Segment>& path, Value& value);

}  // namespace cairn::engine
