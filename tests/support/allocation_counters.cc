#include "tests/support/allocation_counters.h"

#include <atomic>

#include "tests/support/allocations.h"

namespace cairn::tests {

namespace {

// Constant initialised: the first allocations come before any constructor.
constinit std::atomic<uint64_t> count{0};
constinit std::atomic<int64_t> left{-1};
constinit std::atomic<bool> failed{false};
constinit std::atomic<bool> all{false};  // that follow fail too

}  // namespace

bool refuse_allocation() noexcept {
  count.fetch_add(1, std::memory_order_relaxed);
  if ((all.load(std::memory_order_relaxed) && failed.load(std::memory_order_relaxed)) ||
      (left.load(std::memory_order_relaxed) >= 0 && left.fetch_sub(1, std::memory_order_relaxed) == 0)) {
    failed.store(true, std::memory_order_relaxed);
    return true;
  }
  return false;
}

uint64_t allocations() { return count.load(std::memory_order_relaxed); }
void fail_allocation_after(int64_t succeed) {
  all.store(false, std::memory_order_relaxed);
  failed.store(false, std::memory_order_relaxed);
  left.store(succeed, std::memory_order_relaxed);
}
void fail_allocations_from(int64_t succeed) {
  fail_allocation_after(succeed);
  all.store(true, std::memory_order_relaxed);
}
bool allocation_failed() { return failed.load(std::memory_order_relaxed); }

}  // namespace cairn::tests
