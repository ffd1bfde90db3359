#include "tools/output/progress.h"

#include <algorithm>
#include <cstdio>

namespace cairn::tools {

namespace {

std::string grouped(uint64_t n) {
  std::string digits = std::to_string(n);
  for (size_t at = digits.size(); at > 3; at -= 3) {
    digits.insert(at - 3, ",");
  }
  return digits;
}

std::string mib(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", bytes / (1u << 20));
  return text;
}

std::string time_text(double seconds) {
  const auto s = static_cast<uint64_t>(seconds + 0.999);
  if (s < 120) {
    return std::to_string(s) + " s";
  }
  return s < 7200 ? std::to_string((s + 59) / 60) + " min" : std::to_string((s + 3599) / 3600) + " h";
}

/// The share, and what is left at the pace so far.
std::string share_text(uint64_t done, uint64_t total) {
  const double share = total == 0 ? 0 : 100.0 * static_cast<double>(std::min(done, total)) / static_cast<double>(total);
  return ", " + std::to_string(static_cast<int>(share)) + " %";
}

std::string left_text(uint64_t done, uint64_t total, double per_s) {
  return done >= total || per_s <= 0 ? std::string()
                                     : ", " + time_text(static_cast<double>(total - done) / per_s) + " left";
}

}  // namespace

std::string progress_text(const std::string& one, uint64_t done, uint64_t total, int64_t elapsed_ms) {
  const double per_s = elapsed_ms <= 0 ? 0 : static_cast<double>(done) * 1000 / static_cast<double>(elapsed_ms);
  const std::string pace = per_s < 1 ? std::string() : ", " + grouped(static_cast<uint64_t>(per_s)) + " a second";
  if (total == 0) {
    return grouped(done) + " " + one + (done == 1 ? "" : "s") + pace;
  }
  return grouped(done) + " of " + grouped(total) + " " + one + (total == 1 ? "" : "s") + share_text(done, total) +
         pace + left_text(done, total, per_s);
}

std::string progress_of_bytes(const std::string& of, uint64_t done, uint64_t total, int64_t elapsed_ms) {
  const double per_s = elapsed_ms <= 0 ? 0 : static_cast<double>(done) * 1000 / static_cast<double>(elapsed_ms);
  const std::string pace = per_s < 1 ? std::string() : ", " + mib(per_s) + " MiB a second";
  if (total == 0) {
    return mib(static_cast<double>(done)) + " MiB of " + of + pace;
  }
  return mib(static_cast<double>(done)) + " of " + mib(static_cast<double>(total)) + " MiB of " + of +
         share_text(done, total) + pace + left_text(done, total, per_s);
}

}  // namespace cairn::tools
