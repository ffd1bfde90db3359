// The options that stand before or after every subcommand.
#pragma once

#include <string>

namespace cairn::tools {

struct Globals {
  std::string store;       // --store, or CAIRN_STORE: a directory, or the URL of a server; "": none was given
  std::string token_file;  // of a server
  std::string ca_file;     // likewise
  bool json = false;
};

}  // namespace cairn::tools
