// What allocations.cc and failing_malloc.cc share. allocation_counters.cc defines it, and the calls of allocations.h.
#pragma once

namespace cairn::tests {

/// Counts an allocation. True: it must fail. Any thread, and before any constructor; allocates nothing.
bool refuse_allocation() noexcept;

}  // namespace cairn::tests
