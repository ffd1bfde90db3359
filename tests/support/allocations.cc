#include "tests/support/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<uint64_t> count{0};
std::atomic<int64_t> left{-1};
std::atomic<bool> failed{false};
std::atomic<bool> all{false};  // that follow fail too

void* allocate(size_t bytes) {
  count.fetch_add(1, std::memory_order_relaxed);
  if ((all.load(std::memory_order_relaxed) && failed.load(std::memory_order_relaxed)) ||
      (left.load(std::memory_order_relaxed) >= 0 && left.fetch_sub(1, std::memory_order_relaxed) == 0)) {
    failed.store(true, std::memory_order_relaxed);
    throw std::bad_alloc();
  }
  if (void* p = std::malloc(bytes == 0 ? 1 : bytes)) {
    return p;
  }
  throw std::bad_alloc();
}

}  // namespace

// Not inlined: else GCC sees malloc meet operator delete, and warns.
__attribute__((noinline)) void* operator new(size_t bytes) { return allocate(bytes); }
__attribute__((noinline)) void* operator new[](size_t bytes) { return allocate(bytes); }
// As the library's own; without them a sanitizer's would meet this file's operator delete.
__attribute__((noinline)) void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return allocate(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
__attribute__((noinline)) void* operator new[](size_t bytes, const std::nothrow_t& tag) noexcept {
  return operator new(bytes, tag);
}
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete[](void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete[](void* p, size_t) noexcept { std::free(p); }

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
