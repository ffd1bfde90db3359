#include "engine/store/timed_checkpoint.h"

#include "engine/directory/reserve.h"

namespace cairn::engine {

bool TimedCheckpoint::look() {
  wanted_ = has_grown() || too_much_for_full_disk();
  return wanted_;
}

// A checkpoint that meets a full disk has the reserve and no more: where little is free, it comes before the log holds
// more than that can take.
bool TimedCheckpoint::too_much_for_full_disk() const {
  if (growth_.bytes() < kReserveBytes / 4) {
    return false;
  }
  const auto free = files_.free_bytes();
  return free.ok() && *free < 2 * (uint64_t{segment_bytes_} + kReserveBytes);
}

int64_t TimedCheckpoint::due_ms() const {
  if (!has_grown()) {
    return kNever;
  }
  return retry_.at_ms() != 0 ? retry_.at_ms() : hooks_.monotonic_ms(hooks_.context);
}

Status TimedCheckpoint::run(StepTime& step) {
  if (!wanted_) {
    return {};
  }
  if (step.used_up()) {
    step.more = true;
    return {};
  }
  if (step.now_ms < retry_.at_ms()) {
    return {};
  }
  const uint64_t bytes = growth_.written_bytes();
  const Status folded = checkpoint_();
  retry_.note(folded.ok(), step.now_ms);
  if (folded.ok()) {
    growth_.checkpointed(bytes);
  }
  return folded;
}

}  // namespace cairn::engine
