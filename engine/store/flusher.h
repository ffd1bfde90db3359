// Flush: what is dirty goes into the log and to the disk. One at a time, and of several who wait, one flushes for all.
//
// Each flush ends an epoch. An update that read an epoch wrote its slot before the flush that ends it locked its run,
// so that flush has it, and the epoch is durable once its sync worked.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/gate.h"
#include "engine/store/run_log.h"
#include "wal/mutex.h"

namespace cairn::engine {

class Flusher {
 public:
  /// `epoch`: the one that updates read. Only flushes move it.
  Flusher(const Hooks& hooks, uint32_t segment_bytes, Gate& gate, std::atomic<uint64_t>& epoch, DirtyRuns& dirty,
          RunLog& log)
      : hooks_(hooks), batch_bytes_max_(segment_bytes / 8), gate_(gate), epoch_(epoch), dirty_(dirty), log_(log) {}

  struct EndTurn {
    void operator()(Flusher* flusher) const { flusher->end_turn(); }
  };
  /// Only its holder flushes. Taken before any run's lock.
  using Turn = std::unique_ptr<Flusher, EndTurn>;
  [[nodiscard]] Turn take_turn();
  /// With the turn taken, whatever the gate says: for a close.
  Status flush_in_turn(bool sync);

  Status flush(bool sync);
  /// Everything updated before the call is durable.
  Status barrier();
  /// The updates of this epoch and before are durable. Flushes if no other thread does. Below 0: no deadline. kTimeout.
  Status wait_durable(uint64_t epoch, int64_t deadline_ms);
  /// After the files of staging failed: what is pending goes into the log, and the gate opens for updates, which append
  /// from now on. Nothing happens in any other state of the gate.
  Status leave_staging();
  [[nodiscard]] uint64_t durable_epoch() const { return durable_epoch_.load(std::memory_order_acquire); }
  /// For the destructor in a forked child: to destroy a condition variable waits for its waiters, and the threads that
  /// waited at the fork are not in the child.
  void abandon() { static_cast<void>(turn_ended_.release()); }
  [[nodiscard]] uint64_t flushes() const { return flushes_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kNoEpoch = UINT64_MAX;  // never durable

  Result<Turn> take_turn(uint64_t epoch, int64_t deadline_ms);
  void end_turn();
  Status flush_if_open(bool sync);
  Status write_dirty();
  [[nodiscard]] bool is_durable(uint64_t epoch) const { return durable_epoch() >= epoch; }

  const Hooks& hooks_;
  const size_t batch_bytes_max_;
  Gate& gate_;
  std::atomic<uint64_t>& epoch_;
  DirtyRuns& dirty_;
  RunLog& log_;
  std::atomic<uint64_t> durable_epoch_{0};  // written with the turn taken
  std::atomic<uint64_t> flushes_{0};        // likewise

  Mutex mutex_{LockRank::kFlusher};
  std::unique_ptr<CondVar> turn_ended_ = std::make_unique<CondVar>();
  bool under_way_ CAIRN_GUARDED_BY(mutex_) = false;  // somebody has the turn
  [[no_unique_address]] LockNote turn_note_{LockRank::kFlushTurn};
};

}  // namespace cairn::engine
