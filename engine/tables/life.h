// Which open for writing the tables are of. Stored in the table `meta`.
#pragma once

#include <array>
#include <cstdint>

namespace cairn::engine {

/// Written by each read-write open, together with what it recovered, before it acknowledges anything.
struct Life {
  uint64_t session = 0;
  uint64_t incarnation = 0;           // session of the last open that may have lost what was acknowledged before
  std::array<uint8_t, 16> boot_id{};  // of the boot that the open was in; zero: unknown
  bool operator==(const Life&) const = default;
};

}  // namespace cairn::engine
