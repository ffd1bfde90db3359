// Who looks at the store after its steps: callbacks of watches, the history. A listener has a turn only after
// something has changed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/hooks.h"
#include "engine/store/alarm.h"
#include "engine/store/dirty_runs.h"
#include "wal/mutex.h"
#include "wal/writer.h"

namespace cairn::engine {

/// What steps do after their own work, outside of their locks: at most every interval_ms(), and only after something
/// has changed.
class StepListener {
 public:
  StepListener() = default;
  StepListener(const StepListener&) = delete;
  StepListener& operator=(const StepListener&) = delete;
  virtual ~StepListener() = default;
  [[nodiscard]] virtual uint32_t interval_ms() const = 0;
  /// False: there is more to do, in the next interval.
  virtual bool stepped() = 0;
};

class StepListeners {
 public:
  StepListeners(const Hooks& hooks, const wal::Writer& writer, const DirtyRuns& dirty, Alarm& alarm)
      : hooks_(hooks), writer_(writer), dirty_(dirty), alarm_(alarm) {}

  void add(std::shared_ptr<StepListener> listener);
  void remove(const StepListener* listener);
  /// When the next turn is due; kNever.
  [[nodiscard]] int64_t due_ms() const;
  /// Whose turn it is, noted before they look.
  [[nodiscard]] std::vector<std::shared_ptr<StepListener>> take_due(int64_t now_ms);
  /// Without any lock. True: one of them has more to do.
  bool run(const std::vector<std::shared_ptr<StepListener>>& due);

 private:
  struct Listening {
    std::shared_ptr<StepListener> listener;
    int64_t due_ms = 0;     // not before
    uint64_t seen_lsn = 0;  // of the log at its last turn
  };

  const Hooks& hooks_;
  const wal::Writer& writer_;
  const DirtyRuns& dirty_;
  Alarm& alarm_;
  mutable Mutex mutex_{LockRank::kStepListeners};
  std::vector<Listening> listeners_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::engine
