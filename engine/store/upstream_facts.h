// What the other parts of a store read of its upstream without the upstream's lock.
#pragma once

#include <atomic>
#include <cstdint>

namespace cairn::engine {

struct UpstreamFacts {
  std::atomic<bool> keeps_changes{false};  // outbox rows are kept for all runs
  std::atomic<bool> attached{false};       // and are sent
  std::atomic<bool> over_limits{false};    // more waits than the host allows: new runs are refused
  std::atomic<uint64_t> dropped_runs{0};   // by retention, before the upstream had all of them; since open
};

}  // namespace cairn::engine
