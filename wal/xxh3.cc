#include "wal/xxh3.h"

#ifndef __clang__
#pragma GCC optimize "O3"  // GCC unrolls the loop over a stripe only then: 26 ns instead of 49 for 300 bytes
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cairn {

uint64_t xxh3(const void* data, size_t bytes, uint64_t seed) { return XXH3_64bits_withSeed(data, bytes, seed); }

}  // namespace cairn
