// Standard input, output and error of a command that was started without some of them.
#pragma once

namespace cairn::tools {

/// Puts /dev/null on the descriptors 0 to 2 that are closed, so that no file of the command gets one. Reading and
/// writing there fail as on a closed one: output that went nowhere is not taken for written. Before anything is opened.
void hold_standard_streams();

}  // namespace cairn::tools
