// Makes the log's next segment and the next staging file before they are needed. Without them updates and flushes go on,
// slower.
#pragma once

#include "engine/base/hooks.h"
#include "engine/staging/staging.h"
#include "engine/store/duty.h"
#include "engine/store/log_growth.h"
#include "engine/store/run_log.h"
#include "wal/writer.h"

namespace cairn::engine {

class Preallocation {
 public:
  /// `staging`: null if there is none.
  Preallocation(const Hooks& hooks, uint32_t segment_bytes, wal::Writer& writer, const LogGrowth& growth,
                const RunLog& log, Staging* staging)
      : hooks_(hooks), segment_bytes_(segment_bytes), writer_(writer), growth_(growth), log_(log), staging_(staging) {}

  /// When the next try after a failure is due; kNever.
  [[nodiscard]] int64_t due_ms() const { return retry_.at_ms() != 0 ? retry_.at_ms() : kNever; }
  /// Before a flush: a segment, once half a segment was written.
  Status prepare_log(int64_t now_ms);
  /// After a flush that worked: without space in the log nothing is staged either.
  Status prepare_staging(int64_t now_ms);
  /// What it came to in this step.
  void note(const Status& prepared, int64_t now_ms);

 private:
  const Hooks& hooks_;
  const uint32_t segment_bytes_;
  wal::Writer& writer_;
  const LogGrowth& growth_;
  const RunLog& log_;
  Staging* const staging_;
  Retry retry_;
};

}  // namespace cairn::engine
