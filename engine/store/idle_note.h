// Notes in the log what is durable once it was idle for a second (wal::Writer::note_idle).
#pragma once

#include "engine/store/duty.h"
#include "wal/writer.h"

namespace cairn::engine {

class IdleNote final : public Duty {
 public:
  /// `now_ms`: of the open.
  IdleNote(wal::Writer& writer, int64_t now_ms)
      : writer_(writer), flushed_ms_(now_ms), appended_ms_(now_ms), appended_lsn_(writer.written_lsn()) {}
  /// A flush of a step worked.
  void flushed(int64_t now_ms) { flushed_ms_ = now_ms; }
  [[nodiscard]] int64_t due_ms() const override;
  Status run(StepTime& step) override;

 private:
  wal::Writer& writer_;
  int64_t flushed_ms_;
  int64_t appended_ms_;    // when an append was seen last, or a note tried
  uint64_t appended_lsn_;  // what was seen
  bool noted_ = true;
};

}  // namespace cairn::engine
