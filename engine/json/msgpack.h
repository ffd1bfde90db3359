// Encodes and decodes values as msgpack. msgpack.cc is the only code that includes msgpack-c.
#pragma once

#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/json/value.h"

namespace cairn::engine {

class ByteSink;

/// Top-level numbers and bools written by this function have a length that depends on their type alone
/// (int64 as 0xd3, uint64 as 0xcf, double as 0xcb): so staging can patch them in place. Numbers inside arrays and
/// objects are minimal.
void append_msgpack(std::string& out, const Value& v);
/// The standard, minimal encoding, for users.
void append_msgpack_minimal(std::string& out, const Value& v);
/// The same two, into a sink.
void encode_msgpack(ByteSink& out, const Value& v);
void encode_msgpack_minimal(ByteSink& out, const Value& v);

/// Decodes the whole input as one value. Lengths are checked against the rest of the input before memory is allocated;
/// ext, bin and non-string map keys are refused; float32 becomes double. Keys as in parse_json: of duplicates the last
/// wins, "__proto__" is dropped. Errors: kInvalidMsgpack, kTooDeep (more than depth_max levels), kInvalidUtf8,
/// kNotFinite. Stored values are read with kStoredDepthMax.
Result<Value> decode_msgpack(std::string_view bytes, int depth_max = kDepthMax);

}  // namespace cairn::engine
