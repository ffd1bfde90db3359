#include "api/report/readable_text.h"

#include <time.h>

#include <algorithm>
#include <cstdio>

#include "engine/json/json.h"

namespace cairn::report {

namespace {

// Bytes of the UTF-8 character at the start of `text`, 0 if there is none.
size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t bytes = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  return text.size() >= bytes && engine::valid_utf8(text.substr(0, bytes)) ? bytes : 0;
}

// Of a character of UTF-8.
uint32_t code_point(std::string_view character) {
  const auto byte = [character](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(character[i])); };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
    case 3:
      return (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    default:
      return 0x10000;  // none of those that matter here
  }
}

bool is_control(uint32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

// Arabic letter mark, the marks, embeddings and overrides, and the isolates.
bool reorders(uint32_t c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t bytes = std::max<size_t>(character_bytes(text), 1);
    const std::string_view character = text.substr(0, bytes);
    const uint32_t c = code_point(character);
    if (character_bytes(character) == 0 || is_control(c) || reorders(c)) {
      for (const char byte : character) {
        char hex[5];
        std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(byte));
        out += hex;
      }
    } else {
      out += character;
    }
    text.remove_prefix(bytes);
  }
  return out;
}

std::string printable_json(std::string_view json) {
  std::string out;
  while (!json.empty()) {
    const std::string_view character = json.substr(0, std::max<size_t>(character_bytes(json), 1));
    const uint32_t c = code_point(character);
    if (c >= 0x7F && (is_control(c) || reorders(c))) {  // JSON has the others escaped, but for its own line ends
      char escape[11];  // as many digits as any code point could have: the compiler does not see the bound
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += character;
    }
    json.remove_prefix(character.size());
  }
  return out;
}

std::string valid_text(std::string_view text) { return engine::valid_utf8(text) ? std::string(text) : printable(text); }

std::string iso_time(int64_t unix_us) {
  const int64_t ms = unix_us / 1000;
  const auto seconds = static_cast<time_t>(ms / 1000);
  struct tm utc;
  if (unix_us < 0 || gmtime_r(&seconds, &utc) == nullptr || utc.tm_year > 9999 - 1900) {
    return std::string("(").append(std::to_string(unix_us)).append(" us)");
  }
  char text[80];  // more than any tm can need: the compiler does not see the bounds
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, static_cast<int>(ms % 1000));
  return text;
}

std::string age_text(int64_t unix_us, int64_t now_us) {
  // Whatever is stored: the difference of two times may need all 64 bits.
  const uint64_t us = now_us <= unix_us ? 0 : static_cast<uint64_t>(now_us) - static_cast<uint64_t>(unix_us);
  const uint64_t s = us / 1'000'000;
  if (s < 120) {
    return std::to_string(s) + " s ago";
  }
  if (s < 120 * 60) {
    return std::to_string(s / 60) + " min ago";
  }
  if (s < 48 * 3600) {
    return std::to_string(s / 3600) + " h ago";
  }
  return std::to_string(s / 86400) + " d ago";
}

std::string size_text(uint64_t bytes) {
  if (bytes < 1024) {
    return std::to_string(bytes) + " B";
  }
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  double v = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (v >= 1024 && unit + 1 < std::size(kUnits)) {
    v /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", v, kUnits[unit]);
  return text;
}

std::string bar_text(double share, int cells) {
  share = std::clamp(share, 0.0, 1.0);
  const int full = static_cast<int>(share * cells);
  std::string text(1, '[');
  text.append(static_cast<size_t>(full), '#').append(static_cast<size_t>(cells - full), '.').append("] ");
  char percent[16];
  // Rounded down: 100 % means done.
  std::snprintf(percent, sizeof percent, "%3d %%", static_cast<int>(share * 100));
  return text + percent;
}

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(std::string_view text, size_t columns) {
  const size_t wide = columns_of(text);
  return std::string(text) + std::string(wide < columns ? columns - wide : 0, ' ');
}

std::string counted(uint64_t count, std::string_view one, std::string_view many) {
  std::string text = std::to_string(count) + " ";
  return count == 1 ? text.append(one) : many.empty() ? text.append(one).append("s") : text.append(many);
}

int64_t wall_us() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}

}  // namespace cairn::report
