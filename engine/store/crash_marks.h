// Marks runs CRASHED whose process ended without finishing them, some time after the open: a part at each step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "engine/store/duty.h"
#include "engine/store/run.h"
#include "engine/store/run_table.h"

namespace cairn::engine {

class CrashMarks final : public Duty {
 public:
  /// `mark` appends the change of a run's status, with the run's lock held.
  using Mark = std::function<Status(Run&)>;
  CrashMarks(RunTable& runs, uint64_t session, int64_t due_ms, Mark mark)
      : runs_(runs), session_(session), due_ms_(due_ms), mark_(std::move(mark)) {}
  [[nodiscard]] int64_t due_ms() const override { return due_ms_; }
  Status run(StepTime& step) override;

 private:
  Status mark_part();

  RunTable& runs_;
  const uint64_t session_;
  int64_t due_ms_;
  const Mark mark_;
  std::string done_to_;  // run ids up to here were looked at
  bool done_ = false;
};

}  // namespace cairn::engine
