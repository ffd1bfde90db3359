#include "tools/store/relay_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "tools/store/server_link.h"
#include "tools/store/slot_directory.h"
#include "wal/descriptor.h"

namespace cairn::tools {

#ifdef CAIRN_TOOLS_NETWORK

namespace {

std::string relay_of(const std::string& directory) {
  const std::string path = directory + "/" + kRelaySocket;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return {};
  }
  path.copy(address.sun_path, path.size());
  const wal::Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0 || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return {};
  }
  // It is this user's own server, or nobody that should be told what to change.
  ucred peer = {};
  socklen_t bytes = sizeof peer;
  const bool is_own = getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.uid == geteuid();
  return is_own ? "unix:" + path : "";
}

}  // namespace

#endif

std::string relay_of_slots(const std::string& directory) {
#ifdef CAIRN_TOOLS_NETWORK
  return relay_of(directory);
#else
  return {};
#endif
}

std::string server_for_changes(const std::string& store) {
  if (is_server(store)) {
    return store;
  }
#ifdef CAIRN_TOOLS_NETWORK
  std::error_code error;
  const std::filesystem::path directory = std::filesystem::absolute(store, error);
  // A relay of slots listens beside them: it is asked by its own URL, and a change of a slot says which slot.
  return store.empty() || error || !is_store(directory.string()) ? std::string() : relay_of(directory.string());
#else
  return {};
#endif
}

}  // namespace cairn::tools
