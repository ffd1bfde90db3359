// A part of the disk held back in the file RESERVE, so that a full disk does not keep anybody from giving space back.
// The tables may have the first half of it for a checkpoint; the log has the rest for an erase, the end of a run, or an
// open. Made by `step` when there is room, given back by whoever meets a full disk, made whole again by a later step.
// Updates never get it: see Store::use_reserve. It holds nothing, so losing it in a crash loses nothing but its room.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "cairn/status.h"
#include "wal/files.h"

namespace cairn::engine {

inline constexpr uint64_t kReserveBytes = 1u << 20;

class Reserve {
 public:
  enum class Part : uint8_t { kTables, kAll };  // the first half; what is left

  explicit Reserve(wal::Files& files) : files_(files) {}

  /// Finds what an earlier owner left. kUnsafe: something else has that name. At open.
  Status find();
  /// Makes the file whole, in blocks that are really written, if the disk has `others_bytes` beside it. Too little room
  /// is no error. Threads: any.
  Status prepare(uint64_t others_bytes);
  /// Gives that part back to the disk. False: it was given before. Threads: any.
  bool give_back(Part part);
  [[nodiscard]] uint64_t bytes() const { return held_bytes_.load(std::memory_order_acquire); }
  [[nodiscard]] bool is_whole() const { return bytes() == kReserveBytes; }

 private:
  Status shorten(uint64_t bytes);

  wal::Files& files_;
  std::mutex mutex_;                     // one changes the file at a time
  std::atomic<uint64_t> held_bytes_{0};  // 0, half or all of kReserveBytes
};

}  // namespace cairn::engine
