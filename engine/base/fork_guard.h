// Tells a forked child from the process that opened the store, at the cost of one load.
#pragma once

#include <atomic>
#include <cstdint>

#include "cairn/status.h"

namespace cairn::engine {

/// A word in a page with MADV_WIPEONFORK: not 0 in this process, 0 in every child that it forks, even by a raw clone. A
/// store keeps the word of its process; a forked child that opens a store of its own gets a new one. kNoMemory;
/// kUnsafe: this system does not support it.
using ForkWord = const std::atomic<uint32_t>*;
Result<ForkWord> fork_word();
inline bool forked(ForkWord word) { return word->load(std::memory_order_relaxed) == 0; }

/// Registers a descriptor that a forked child must not keep: the lock of the store (else a child that outlives a killed
/// owner keeps the store busy) and wake descriptors. At most 1024 at a time in one process; false if there are more.
bool close_in_child(int fd);
void forget_in_child(int fd);

}  // namespace cairn::engine
