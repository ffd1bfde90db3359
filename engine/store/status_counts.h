// How many runs have which status, kept at each change of one: nobody has to walk the runs to know.
//
// A run counts as what its record says in memory, from the moment that its change is in the log. Runs that are owned
// elsewhere and have no document here have no status that counts.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/records/run_record.h"

namespace cairn::engine {

/// Threads: any. Each figure is exact; several of them are of moments near each other.
class StatusCounts {
 public:
  /// What a record counts as; compare two to know whether a change moved anything.
  struct Place {
    int status = -1;  // -1: it does not count
  };
  static Place of(const RunRecord& record) { return {record.foreign ? -1 : static_cast<int>(record.status)}; }
  static Place none() { return {}; }

  void move(Place from, Place to) noexcept {
    if (from.status == to.status) {
      return;
    }
    if (from.status >= 0) {
      counts_.at(static_cast<size_t>(from.status)).fetch_sub(1, std::memory_order_relaxed);
    }
    if (to.status >= 0) {
      counts_.at(static_cast<size_t>(to.status)).fetch_add(1, std::memory_order_relaxed);
    }
  }
  /// At the open.
  void begin(RunStatus status, uint64_t count) noexcept { counts_.at(static_cast<size_t>(status)) = count; }

  [[nodiscard]] uint64_t of(RunStatus status) const noexcept {
    return counts_.at(static_cast<size_t>(status)).load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t finished() const noexcept {
    uint64_t out = 0;
    for (size_t i = 0; i < kRunStatuses; ++i) {
      out += is_final(static_cast<RunStatus>(i)) ? of(static_cast<RunStatus>(i)) : 0;
    }
    return out;
  }

 private:
  std::array<std::atomic<uint64_t>, kRunStatuses> counts_{};
};

}  // namespace cairn::engine
