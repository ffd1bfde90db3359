// Tells a forked child from the process that opened the store, for the price of one load.
#pragma once

#include <atomic>
#include <cstdint>

#include "cairn/status.h"

namespace cairn::engine {

/// A word in a page with MADV_WIPEONFORK: not 0 in this process, 0 in every child that it forks, also after a raw
/// clone. What is opened remembers the word of its process; a forked child that opens a store of its own gets a new
/// one. kNoMemory; kUnsafe: this system cannot do it.
using ForkWord = const std::atomic<uint32_t>*;
Result<ForkWord> fork_word();
inline bool forked(ForkWord word) { return word->load(std::memory_order_relaxed) == 0; }

/// Descriptors that a forked child must not keep: the lock of the store (else a child that outlives a killed owner
/// keeps it busy) and wake descriptors. At most 1024 at a time in one process; false when full.
bool close_in_child(int fd);
void forget_in_child(int fd);

}  // namespace cairn::engine
