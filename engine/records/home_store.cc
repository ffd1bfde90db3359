#include "engine/records/home_store.h"

namespace cairn::engine {

namespace {

constexpr const char* kIdDigits = "0123456789abcdef";

}  // namespace

std::string store_id_text(const std::array<uint8_t, 16>& id) {
  std::string text;
  for (const uint8_t byte : id) {
    text += kIdDigits[byte >> 4];
    text += kIdDigits[byte & 15];
  }
  return text;
}

bool id_begins(const std::array<uint8_t, 16>& id, std::string_view digits) {
  if (digits.size() < kIdDigitsMin || digits.size() > 2 * id.size()) {
    return false;
  }
  for (size_t i = 0; i < digits.size(); ++i) {
    const uint8_t half = i % 2 == 0 ? id[i / 2] >> 4 : id[i / 2] & 15;
    const char digit = digits[i] >= 'A' && digits[i] <= 'F' ? static_cast<char>(digits[i] - 'A' + 'a') : digits[i];
    if (digit != kIdDigits[half]) {
      return false;
    }
  }
  return true;
}

}  // namespace cairn::engine
