// Counts the allocations of the test's process, and makes them fail on demand. Link allocation_counters.cc with one of:
// - allocations.cc, for which an allocation is a call of operator new;
// - failing_malloc.cc, for which it is one of malloc, calloc, realloc and the like, whoever calls it: operator new,
//   LMDB, the C library. Not under a sanitizer, which brings its own.
#pragma once

#include <cstdint>

namespace cairn::tests {

/// Allocations so far, of all threads.
uint64_t allocations();

/// From now on `count` allocations succeed and the next one fails (operator new throws std::bad_alloc); then all
/// succeed again. Below 0: none fails.
void fail_allocation_after(int64_t count);
/// The same, but all fail behind those that succeed, until fail_allocation_after(-1).
void fail_allocations_from(int64_t count);
/// The failure that was asked for has happened.
bool allocation_failed();

}  // namespace cairn::tests
