// The C library's allocation functions, defined here so that the whole test program uses them, shared libraries
// included (an executable's definitions come first). They pass on to glibc's own names for the real ones.
#include <atomic>
#include <cerrno>
#include <cstddef>

#include "tests/support/allocations.h"

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace {

// Constant initialised: the first allocations come before any constructor.
constinit std::atomic<uint64_t> count{0};
constinit std::atomic<int64_t> left{-1};
constinit std::atomic<bool> failed{false};
constinit std::atomic<bool> all{false};  // that follow fail too

bool refused() {
  count.fetch_add(1, std::memory_order_relaxed);
  if ((all.load(std::memory_order_relaxed) && failed.load(std::memory_order_relaxed)) ||
      (left.load(std::memory_order_relaxed) >= 0 && left.fetch_sub(1, std::memory_order_relaxed) == 0)) {
    failed.store(true, std::memory_order_relaxed);
    errno = ENOMEM;
    return true;
  }
  return false;
}

}  // namespace

#define CAIRN_ALLOCATES extern "C" __attribute__((visibility("default")))

CAIRN_ALLOCATES void* malloc(size_t bytes) { return refused() ? nullptr : __libc_malloc(bytes); }
CAIRN_ALLOCATES void* calloc(size_t n, size_t bytes) { return refused() ? nullptr : __libc_calloc(n, bytes); }
CAIRN_ALLOCATES void* realloc(void* old, size_t bytes) { return refused() ? nullptr : __libc_realloc(old, bytes); }
CAIRN_ALLOCATES void* memalign(size_t alignment, size_t bytes) {
  return refused() ? nullptr : __libc_memalign(alignment, bytes);
}
CAIRN_ALLOCATES void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
CAIRN_ALLOCATES int posix_memalign(void** into, size_t alignment, size_t bytes) {
  void* const p = memalign(alignment, bytes);
  if (p == nullptr) {
    return ENOMEM;
  }
  *into = p;
  return 0;
}

namespace cairn::tests {

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
