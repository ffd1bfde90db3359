#include "tools/output/stage_note.h"

#include <time.h>
#include <unistd.h>

#include <cstdio>

namespace cairn::tools {

namespace {

int64_t monotonic_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1'000'000;
}

}  // namespace

StageNote::StageNote(bool quiet) : on_(!quiet && isatty(STDERR_FILENO) == 1), begun_ms_(monotonic_ms()) {}

StageNote::~StageNote() {
  if (dirty_) {
    std::fprintf(stderr, "\r\033[K");
  }
}

int64_t StageNote::elapsed_ms() const { return monotonic_ms() - begun_ms_; }

void StageNote::show(const std::string& text) {
  if (!on_) {
    return;
  }
  if (const int64_t now = monotonic_ms(); now - begun_ms_ >= 500 && now - shown_ms_ >= 250) {
    shown_ms_ = now;
    show_now(text);
  }
}

void StageNote::show_now(const std::string& text) {
  if (on_) {
    dirty_ = true;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
  }
}

}  // namespace cairn::tools
