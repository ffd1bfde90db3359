// The names of the codes, for output that programs read.
#pragma once

#include <optional>
#include <string_view>

#include "cairn/status.h"

namespace cairn::engine {

/// The name without the ABI's prefix, for instance "NO_SUCH_RUN". Never changed.
const char* code_name(Code code);
std::optional<Code> code_from_name(std::string_view name);

}  // namespace cairn::engine
