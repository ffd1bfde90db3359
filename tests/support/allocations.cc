#include "tests/support/allocations.h"

#include <cstdlib>
#include <new>

#include "tests/support/allocation_counters.h"

namespace {

void* allocate(size_t bytes) {
  if (cairn::tests::refuse_allocation()) {
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
