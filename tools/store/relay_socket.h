// STORE/relay.sock: where the `cairn serve` that owns a store takes the commands of its own user; and SLOTS/relay.sock,
// where the relay of a directory of slots takes what their workers send.
#pragma once

#include <string>

namespace cairn::tools {

inline constexpr const char* kRelaySocket = "relay.sock";

/// The server through which commands change the runs of `store`, which is what --store says: its URL, if it is one; of a
/// directory "unix:DIRECTORY/relay.sock" if a server listens there; else "".
std::string server_for_changes(const std::string& store);

/// The relay of a directory of slots, "unix:DIRECTORY/relay.sock"; "": none listens there. `directory`: absolute.
std::string relay_of_slots(const std::string& directory);

}  // namespace cairn::tools
