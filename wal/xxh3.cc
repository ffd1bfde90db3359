#include "wal/xxh3.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cairn {

uint64_t xxh3(const void* data, size_t bytes, uint64_t seed) { return XXH3_64bits_withSeed(data, bytes, seed); }

}  // namespace cairn
