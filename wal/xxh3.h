// XXH3, 64 bits (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md): the checksum of every format here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn {

/// One copy for the whole library: inlined in each user it is 5 KB. Seed 0 is the hash without a seed.
uint64_t xxh3(const void* data, size_t bytes, uint64_t seed = 0);
/// 128 bits of `a` followed by `b`, in canonical form (16 bytes, big-endian).
void xxh3_128(const void* a, size_t a_bytes, const void* b, size_t b_bytes, uint8_t* out);

}  // namespace cairn
