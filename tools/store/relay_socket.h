// STORE/relay.sock: where the `cairn serve` that owns a store takes the commands of its own user.
#pragma once

#include <string>

namespace cairn::tools {

inline constexpr const char* kRelaySocket = "relay.sock";

/// "unix:DIRECTORY/relay.sock" if a server listens there; else "".
std::string relay_of(const std::string& directory);

}  // namespace cairn::tools
