// The manual page cairn(1), made from what the commands say about themselves; the build writes it as cairn.1.
#pragma once

#include <string>

#include "tools/input/command_line.h"

namespace cairn::tools {

/// In the language of man(7).
std::string man_page(const LineText& line);

}  // namespace cairn::tools
