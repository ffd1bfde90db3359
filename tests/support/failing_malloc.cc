// The C library's allocation functions, defined here so that the whole test program uses them, shared libraries
// included (an executable's definitions come first). They pass on to glibc's own names for the real ones.
#include <cerrno>
#include <cstddef>

#include "tests/support/allocation_counters.h"

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace {

bool refused() {
  if (cairn::tests::refuse_allocation()) {
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
