// The manual page cairn(1), made from what the commands say about themselves; tools/cairn.1 is its output.
#pragma once

#include <string>

#include "tools/command_line.h"

namespace cairn::tools {

/// In the language of man(7).
std::string man_page(const LineText& line);

}  // namespace cairn::tools
