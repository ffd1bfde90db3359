#include "tools/terminal_text.h"

#include <time.h>

#include <algorithm>
#include <cstdio>

#include "engine/json.h"

namespace cairn::tools {

namespace {

// Bytes of the UTF-8 character at the start of `text`, 0 if there is none.
size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t bytes = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  return text.size() >= bytes && engine::valid_utf8(text.substr(0, bytes)) ? bytes : 0;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  const auto escape = [&out](char c) {
    char hex[5];
    std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
    out += hex;
  };
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool c1 = bytes == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (bytes == 0 || first < 0x20 || first == 0x7F) {
      escape(text[0]);
      text.remove_prefix(1);
    } else if (c1) {
      escape(text[0]);
      escape(text[1]);
      text.remove_prefix(2);
    } else {
      out += text.substr(0, bytes);
      text.remove_prefix(bytes);
    }
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

int64_t wall_us() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}

}  // namespace cairn::tools
