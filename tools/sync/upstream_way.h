// Which upstream a command sends to, and with which files.
#pragma once

#include <string>

#include "engine/sync/sender_state.h"

namespace cairn::tools {

/// The name of an upstream that is reached by files in a directory.
inline constexpr const char* kFolderName = "folder";

/// What the options say; "": nothing.
struct GivenWay {
  std::string upstream;
  std::string token_file;
  std::string ca_file;
};

/// As the options say, else as it was when an upstream answered last. The files go with their address: another upstream
/// never gets this one's token.
engine::sync::Way way_to(const GivenWay& given, const engine::sync::SenderState& before);

}  // namespace cairn::tools
