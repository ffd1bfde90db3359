// XXH3, 64 bits (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md): the checksum of every format here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn {

/// One copy for the whole library: in line in each user it is 5 KB. Seed 0 is the hash without a seed.
uint64_t xxh3(const void* data, size_t bytes, uint64_t seed = 0);

}  // namespace cairn
