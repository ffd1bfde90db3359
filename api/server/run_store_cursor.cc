#include "api/server/run_store_cursor.h"

#include <charconv>
#include <cstdio>

namespace cairn::server {

std::string cursor_text(int64_t created_us, const std::string& id) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(created_us));
  return std::string(digits) + "-" + id;
}

std::optional<engine::RunPosition> read_cursor(std::string_view text) {
  constexpr size_t kDigits = 16;
  uint64_t created = 0;
  if (text.size() <= kDigits + 1 || text[kDigits] != '-' || !engine::valid_run_id(text.substr(kDigits + 1))) {
    return std::nullopt;
  }
  const auto [end, failed] = std::from_chars(text.data(), text.data() + kDigits, created, 16);
  if (failed != std::errc() || end != text.data() + kDigits) {
    return std::nullopt;
  }
  return engine::RunPosition{static_cast<int64_t>(created), std::string(text.substr(kDigits + 1))};
}

}  // namespace cairn::server
