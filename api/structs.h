// Copies structs from and to callers that are older or newer than the library, by struct_bytes.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "api/report.h"

namespace cairn::api {

/// Copies the caller's struct; members that the caller does not know are zero. kInvalidArgument if it is shorter than
/// its first member, or sets bytes that this library does not know.
template <class Struct>
Status read_struct(const Struct* theirs, Struct& ours, const char* message) {
  static_assert(std::is_trivially_copyable_v<Struct>);
  const auto* bytes = reinterpret_cast<const unsigned char*>(theirs);
  const size_t count = theirs->struct_bytes;
  if (count < sizeof(theirs->struct_bytes)) {
    return invalid(message);
  }
  for (size_t i = sizeof(Struct); i < count; ++i) {
    if (bytes[i] != 0) {
      return invalid(message);
    }
  }
  std::memset(&ours, 0, sizeof ours);
  std::memcpy(&ours, theirs, std::min(count, sizeof(Struct)));
  return {};
}

/// Gives the caller as much of `ours` as it knows; members that only the caller knows become zero.
template <class Struct>
Status write_struct(const Struct& ours, Struct* theirs, const char* message) {
  static_assert(std::is_trivially_copyable_v<Struct>);
  const uint32_t count = theirs->struct_bytes;
  if (count < sizeof(theirs->struct_bytes)) {
    return invalid(message);
  }
  auto* bytes = reinterpret_cast<unsigned char*>(theirs);
  const size_t known = std::min<size_t>(count, sizeof(Struct));
  std::memcpy(bytes, &ours, known);
  std::memset(bytes + known, 0, count - known);
  theirs->struct_bytes = count;
  return {};
}

}  // namespace cairn::api
