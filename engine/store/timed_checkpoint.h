// The checkpoint of a step: once half a segment is written, many runs only wait for it to leave memory, or the log
// holds as much as a full disk still lets it fold.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "engine/base/hooks.h"
#include "engine/store/duty.h"
#include "engine/store/log_growth.h"
#include "engine/store/run_table.h"
#include "wal/files.h"

namespace cairn::engine {

class TimedCheckpoint final : public Duty {
 public:
  TimedCheckpoint(const Hooks& hooks, uint32_t segment_bytes, wal::Files& files, LogGrowth& growth,
                  const RunTable& runs, std::function<Status()> checkpoint)
      : hooks_(hooks),
        segment_bytes_(segment_bytes),
        files_(files),
        growth_(growth),
        runs_(runs),
        checkpoint_(std::move(checkpoint)) {}

  /// At the begin of a step: what run() in this step goes by.
  bool look();
  /// The last one failed, and its next try has its time.
  [[nodiscard]] bool has_failed() const { return retry_.has_failed(); }
  [[nodiscard]] int64_t due_ms() const override;
  Status run(StepTime& step) override;

 private:
  [[nodiscard]] bool has_grown() const { return growth_.is_due() || runs_.many_wait_for_checkpoint(); }
  [[nodiscard]] bool too_much_for_full_disk() const;

  const Hooks& hooks_;
  const uint32_t segment_bytes_;
  wal::Files& files_;
  LogGrowth& growth_;
  const RunTable& runs_;
  const std::function<Status()> checkpoint_;
  bool wanted_ = false;  // by the step under way
  Retry retry_;
};

}  // namespace cairn::engine
