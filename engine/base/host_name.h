// The name of this machine.
#pragma once

#include <string>

namespace cairn::engine {

/// As the kernel has it; "": it cannot be read.
std::string host_name();

}  // namespace cairn::engine
