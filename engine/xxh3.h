// xxHash, compiled into its user: the hashes of the hot path are of 30 to 60 bytes, where the call would cost as much
// as the work.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>
