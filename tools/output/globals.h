// The options that stand before or after every subcommand.
#pragma once

#include <string>

namespace cairn::tools {

struct Globals {
  std::string store;  // --store, or CAIRN_STORE; "": none was given
  bool json = false;
};

}  // namespace cairn::tools
