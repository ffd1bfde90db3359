// What the library that is loaded in front of an engine (sync_counter.cc) counts, in a file that both the engine's
// processes and the driver map. `clock` orders the events of all of them.
#pragma once

#include <atomic>
#include <cstdint>

namespace cairn::bench {

inline constexpr const char* kSyncCounterVariable = "CAIRN_BENCH_SYNC_COUNTERS";  // path of the file

struct SyncCounters {
  std::atomic<uint64_t> clock;
  std::atomic<uint64_t> appends;            // writes to regular files
  std::atomic<uint64_t> syncs;              // fsync, fdatasync, msync, and writes to files opened with O_(D)SYNC
  std::atomic<uint64_t> last_sync_began;    // clock at the begin of the last sync that has ended; the latest begin
  std::atomic<uint64_t> last_sync_appends;  // appends when it began
};

}  // namespace cairn::bench
