// Disk space kept in the file RESERVE, so that space can be freed even when the disk is full. The tables may use the
// first half of it for a checkpoint; the log has the rest for an erase, the end of a run, or an open. `step` makes the
// file when there is room; a call that finds the disk full gives the space back, and a later step restores it. Updates
// never get it: see DiskBudget::use_reserve. The file has no data, so losing it in a crash loses only its space.
#pragma once

#include <atomic>
#include <cstdint>

#include "cairn/status.h"
#include "wal/files.h"
#include "wal/mutex.h"

namespace cairn::engine {

inline constexpr uint64_t kReserveBytes = 1u << 20;

class Reserve {
 public:
  enum class Part : uint8_t { kTables, kAll };  // the first half; all that is left

  explicit Reserve(wal::Files& files) : files_(files) {}

  /// Finds the file that an earlier owner left. kUnsafe: something else has that name. Called at open.
  Status find();
  /// Makes the file complete, with blocks that are really written, if the disk has room for it and `others_bytes` more.
  /// Too little room is not an error. Threads: any.
  Status prepare(uint64_t others_bytes);
  /// Frees that part on the disk. False: it was freed before. Threads: any.
  bool give_back(Part part);
  [[nodiscard]] uint64_t bytes() const { return held_bytes_.load(std::memory_order_acquire); }
  [[nodiscard]] bool is_whole() const { return bytes() == kReserveBytes; }

 private:
  Status shorten(uint64_t bytes) CAIRN_REQUIRES(mutex_);

  wal::Files& files_;
  Mutex mutex_{LockRank::kReserve};      // one thread changes the file at a time
  std::atomic<uint64_t> held_bytes_{0};  // 0, half or all of kReserveBytes
};

}  // namespace cairn::engine
