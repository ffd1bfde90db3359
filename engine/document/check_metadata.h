// What a whole document may be.
#pragma once

#include <cstddef>

#include "cairn/status.h"
#include "engine/document/document.h"

namespace cairn::engine {

/// kTooLarge: more than `bytes_max` bytes of JSON. kKeyRefused: a key that no update could have set.
Status check_metadata(Document& document, size_t bytes_max);

}  // namespace cairn::engine
