// Counts operator new of the test's process, and makes it fail on demand. Link allocations.cc.
#pragma once

#include <cstdint>

namespace cairn::tests {

/// Calls of operator new so far, of all threads.
uint64_t allocations();

/// From now on `count` calls of operator new succeed and the next one throws std::bad_alloc; then all succeed again.
/// Below 0: none fails.
void fail_allocation_after(int64_t count);
/// The failure that was asked for has happened.
bool allocation_failed();

}  // namespace cairn::tests
