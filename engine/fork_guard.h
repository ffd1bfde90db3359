// Tells a forked child from the process that opened the store, for the price of one load.
#pragma once

#include <atomic>
#include <cstdint>

namespace cairn::engine {

/// A word in a page with MADV_WIPEONFORK: 1 here, 0 in every forked child, also after a raw clone. Made by
/// install_fork_guard().
extern const std::atomic<uint32_t>* g_fork_word;

inline bool forked() { return g_fork_word->load(std::memory_order_relaxed) == 0; }

/// Maps the page and registers the atfork handler, once per process. False: no memory.
bool install_fork_guard();

/// Descriptors that a forked child must not keep: the lock of the store (else a child that outlives a killed owner
/// keeps it busy) and wake descriptors. At most 1024 at a time in one process; false when full.
bool close_in_child(int fd);
void forget_in_child(int fd);

}  // namespace cairn::engine
