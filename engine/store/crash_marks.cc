#include "engine/store/crash_marks.h"

#include <memory>
#include <mutex>
#include <vector>

#include "engine/store/gate.h"

namespace cairn::engine {

Status CrashMarks::run(StepTime& step) {
  if (done_ || step.now_ms < due_ms_) {
    return {};
  }
  const Status marked = step.used_up() ? Status() : mark_part();
  if (!marked.ok()) {
    due_ms_ = step.now_ms + Retry::kMaxMs;
  } else if (done_) {
    due_ms_ = kNever;
  } else {
    step.more = true;
  }
  return marked;
}

// What other sessions left is in the tables since the recovery.
Status CrashMarks::mark_part() {
  constexpr int kPart = 1000;
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  int seen = 0;
  std::string last = done_to_;
  std::vector<std::string> left;
  CAIRN_TRY(tables->each(done_to_, [&](const RunRecord& record) {
    last = record.id;
    if (record.status != RunStatus::kCrashed && record.is_orphaned(session_)) {
      left.push_back(record.id);
    }
    return ++seen < kPart;
  }));
  for (const std::string& id : left) {
    auto run = runs_.load(id);
    if (!run.ok()) {
      return run.status();
    }
    Run& r = **run;
    const RunGuard guard(r.lock);
    // Resumed, finished or erased meanwhile?
    if (r.gate == Code::kOk && r.record.is_orphaned(session_) && r.record.status != RunStatus::kCrashed) {
      CAIRN_TRY(mark_(r));
    }
  }
  done_to_ = std::move(last);
  done_ = seen < kPart;
  return {};
}

}  // namespace cairn::engine
