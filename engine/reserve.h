// A part of the disk held back in the file RESERVE, so that a full disk does not keep a checkpoint from giving space
// back: the file goes first. Made by `step` when there is room, given back by whoever meets a full disk, made again by
// a later step. It holds nothing, so losing it in a crash loses nothing but its room.
#pragma once

#include <atomic>
#include <cstdint>

#include "cairn/status.h"
#include "wal/files.h"

namespace cairn::engine {

inline constexpr uint64_t kReserveBytes = 1u << 20;

class Reserve {
 public:
  explicit Reserve(wal::Files& files) : files_(files) {}

  /// Finds what an earlier owner left. kUnsafe: something else has that name. At open.
  Status find();
  /// Makes the file, in blocks that are really written, if it is not there and the disk has `others_bytes` beside it.
  /// Too little room is no error. One at a time.
  Status prepare(uint64_t others_bytes);
  /// Removes the file. False: there was none. Threads: any.
  bool give_back();
  [[nodiscard]] uint64_t bytes() const { return held_.load(std::memory_order_acquire) ? kReserveBytes : 0; }

 private:
  wal::Files& files_;
  std::atomic<bool> held_{false};
};

}  // namespace cairn::engine
