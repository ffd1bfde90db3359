#include "engine/records/run_id.h"

#include <array>
#include <cstdint>

namespace cairn::engine {

namespace {

// One bit for each ASCII character that a run's id may have.
constexpr std::array<uint64_t, 2> kRunIdCharacters = [] {
  std::array<uint64_t, 2> bits{};
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:")) {
    bits[static_cast<size_t>(c) / 64] |= uint64_t{1} << (c % 64);
  }
  return bits;
}();

}  // namespace

bool valid_run_id(std::string_view id) {
  if (id.empty() || id.size() > kRunIdBytesMax || id.front() == '.' || id.front() == ':') {
    return false;
  }
  for (const char c : id) {
    const auto u = static_cast<uint8_t>(c);
    if (u >= 128 || (kRunIdCharacters[u / 64] >> (u % 64) & 1) == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace cairn::engine
