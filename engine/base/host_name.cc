#include "engine/base/host_name.h"

#include <unistd.h>

#include <array>

namespace cairn::engine {

std::string host_name() {
  std::array<char, 256> name{};
  // The last byte stays 0: a name that is too long may come without one.
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

}  // namespace cairn::engine
