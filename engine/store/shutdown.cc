#include "engine/store/shutdown.h"

#include <optional>

#include "engine/base/error_detail.h"
#include "engine/base/undo_unless_done.h"

namespace cairn::engine {

Status Shutdown::run(int64_t deadline_ms) {
  CAIRN_TRY(gate_.check_process());
  const Code before = gate_.close();
  if (before == Code::kClosed) {
    return {};
  }
  if (parts_.background) {
    parts_.background->stop();
  }
  wait_for_updates();
  // Held to the end: a later caller finds the gate closed, and appends nothing to a log that another process may own
  // by then.
  std::optional<MutexLock> step_guard;
  if (parts_.stepper) {
    step_guard.emplace(parts_.stepper->mutex());
  }
  const MutexLock sync_guard(parts_.sender->mutex());
  const MutexLock checkpoint_guard(parts_.checkpointer->mutex());
  const Flusher::Turn flush_turn = parts_.flusher->take_turn();
  // Given up whatever comes, also if memory runs out below. The log and staging stay mapped for calls that race with
  // this one: they see the gate.
  const UndoUnlessDone give_up([this] {
    parts_.alarm->close();
    parts_.sender->close();
    parts_.runs.close();
    parts_.lock.reset();
  });
  if (before == Code::kLatched) {
    return fail(Code::kLatched, "a sync failed: what the last one did not cover is not durable");
  }
  Status status = flush();
  if (status.ok()) {
    status = fold(deadline_ms);
  }
  if (status.ok()) {
    (void)parts_.homes->keep();  // nothing relies on it
    status = mark_clean();
  } else if (status.code == Code::kTimeout) {
    (void)parts_.writer->close_clean();
  }
  if (gate_.keeps_room()) {
    (void)parts_.budget->hold_reserve(0);  // for the next open
  }
  return status;
}

// Whoever passed the gate before it closed holds its run's lock until its slot is written.
void Shutdown::wait_for_updates() {
  const MutexLock start_guard(parts_.runs.start_mutex());
  for (const RunRef& run : parts_.runs.hot().runs) {
    const RunGuard guard(run->lock);
  }
}

Status Shutdown::flush() {
  Status status = parts_.flusher->flush_in_turn(true);
  if (status.code == Code::kNoSpace && parts_.run_log->sync_all().ok() && parts_.checkpointer->fold().ok()) {
    status = parts_.flusher->flush_in_turn(true);
  }
  if (status.code == Code::kNoSpace) {
    const DiskBudget::Erasing erasing(*parts_.budget);  // nothing comes after it: the log may use the reserve
    status = parts_.flusher->flush_in_turn(true);
  }
  return status;
}

Status Shutdown::fold(int64_t deadline_ms) {
  const Hooks& hooks = parts_.options.hooks;
  if (deadline_ms > 0 && hooks.monotonic_ms(hooks.context) > deadline_ms) {
    return fail(Code::kTimeout, "everything is in the log; the tables follow at the next open");
  }
  Status status = parts_.checkpointer->fold();
  if (status.code == Code::kNoSpace && parts_.budget->use_reserve(Reserve::Part::kAll)) {
    status = parts_.checkpointer->fold();
  }
  return status;
}

// Staging files hold nothing now that the log does not; the next open replaces them anyway.
Status Shutdown::mark_clean() {
  CAIRN_TRY(parts_.writer->close_clean());
  if (parts_.staging == nullptr) {
    return {};
  }
  Status removed;
  if (!parts_.staging->place().directory.empty()) {
    removed = remove_staging_record(*parts_.files);  // first: what it names is about to go
  }
  if (removed.ok()) {
    removed = parts_.staging->remove_all();
  }
  return parts_.run_log->stages() ? removed : Status();  // else their loss is known
}

}  // namespace cairn::engine
