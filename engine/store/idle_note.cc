#include "engine/store/idle_note.h"

#include <algorithm>

namespace cairn::engine {

namespace {

constexpr int64_t kIdleMs = 1000;

}  // namespace

int64_t IdleNote::due_ms() const {
  const bool waits = !noted_ || writer_.written_lsn() != appended_lsn_;
  return waits ? std::max(appended_ms_, flushed_ms_) + kIdleMs : kNever;
}

Status IdleNote::run(StepTime& step) {
  if (const uint64_t lsn = writer_.written_lsn(); lsn != appended_lsn_) {
    appended_lsn_ = lsn;
    appended_ms_ = step.now_ms;
    noted_ = false;
    return {};
  }
  if (noted_ || step.now_ms - appended_ms_ < kIdleMs) {
    return {};
  }
  const Status noted = writer_.note_idle();
  noted_ = noted.ok();
  appended_ms_ = step.now_ms;
  return noted;
}

}  // namespace cairn::engine
