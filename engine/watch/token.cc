#include "engine/watch/token.h"

#include <charconv>
#include <cstdio>

#include "wal/xxh3.h"

namespace cairn::engine {

namespace {

constexpr std::string_view kVersion = "w1";
constexpr int kNumberDigits = 16;

std::string hex(uint64_t v) {
  char text[kNumberDigits + 1];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(v));
  return text;
}

uint64_t big_endian(const uint8_t* bytes) {
  uint64_t v = 0;
  for (int i = 0; i < 8; ++i) {
    v = v << 8 | bytes[i];
  }
  return v;
}

// Removes "-" and 16 digits from the front.
bool take(std::string_view& text, uint64_t& v) {
  if (text.size() < kNumberDigits + 1 || text[0] != '-') {
    return false;
  }
  const char* const first = text.data() + 1;
  const auto [end, error] = std::from_chars(first, first + kNumberDigits, v, 16);
  if (error != std::errc() || end != first + kNumberDigits) {
    return false;
  }
  text.remove_prefix(kNumberDigits + 1);
  return true;
}

}  // namespace

uint64_t watch_scope(std::string_view run) {
  if (run.empty()) {
    return 0;
  }
  const uint64_t hash = xxh3(run.data(), run.size());
  return hash == 0 ? 1 : hash;
}

std::string to_text(const WatchToken& t) {
  std::string text(kVersion);
  text += '-' + hex(big_endian(t.store_id.data())) + '-' + hex(big_endian(t.store_id.data() + 8));
  for (const uint64_t v : {t.incarnation, t.scope, t.created_lsn, t.position}) {
    text += '-' + hex(v);
  }
  return text;
}

std::optional<WatchToken> parse_watch_token(std::string_view text) {
  if (text.substr(0, kVersion.size()) != kVersion) {
    return std::nullopt;
  }
  text.remove_prefix(kVersion.size());
  WatchToken t;
  uint64_t halves[2];
  if (!take(text, halves[0]) || !take(text, halves[1]) || !take(text, t.incarnation) || !take(text, t.scope) ||
      !take(text, t.created_lsn) || !take(text, t.position) || !text.empty()) {
    return std::nullopt;
  }
  for (size_t i = 0; i < t.store_id.size(); ++i) {
    t.store_id[i] = static_cast<uint8_t>(halves[i / 8] >> (56 - 8 * (i % 8)));
  }
  return t;
}

}  // namespace cairn::engine
