#include "wal/xxh3.h"

#ifndef __clang__
#pragma GCC optimize "O3"  // GCC unrolls the loop over a stripe only then: 26 ns instead of 49 for 300 bytes
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace cairn {

uint64_t xxh3(const void* data, size_t bytes, uint64_t seed) { return XXH3_64bits_withSeed(data, bytes, seed); }

void xxh3_128(const void* a, size_t a_bytes, const void* b, size_t b_bytes, uint8_t* out) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, a, a_bytes);
  XXH3_128bits_update(&state, b, b_bytes);
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
  std::memcpy(out, canonical.digest, sizeof canonical.digest);
}

}  // namespace cairn
