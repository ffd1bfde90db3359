// How far the log is written and how far it is durable, and the syncs in between: one at a time, each for all who wait.
//
// Invariants:
//   - durable_lsn() <= written_lsn(); both only grow;
//   - after a failed sync, or EIO of the log, nothing is acknowledged any more (the latch).
#pragma once

#include <atomic>
#include <cstdint>

#include "cairn/status.h"
#include "wal/commit_group.h"
#include "wal/files.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

namespace cairn::wal {

class LogSync {
 public:
  LogSync(uint64_t written_lsn, uint64_t durable_lsn) : written_lsn_(written_lsn), durable_lsn_(durable_lsn) {}

  [[nodiscard]] uint64_t written_lsn() const { return written_lsn_.load(std::memory_order_acquire); }
  [[nodiscard]] uint64_t durable_lsn() const { return durable_lsn_.load(std::memory_order_acquire); }
  [[nodiscard]] bool latched() const { return latched_.load(std::memory_order_acquire); }
  /// With the append mutex held.
  void set_written(uint64_t lsn) { written_lsn_.store(lsn, std::memory_order_release); }
  /// Latches; returns `cause`.
  Status latch(Status cause);

  /// Waits until `lsn` is durable: in a group, whose leader calls `lead` for all (commit_group.h).
  Status wait(uint64_t lsn, const FunctionRef<Status()>& lead);
  /// Does one fdatasync of `file`, which holds everything up to `target_lsn` that is not durable yet.
  Status sync(File& file, uint64_t target_lsn);
  /// The same unless `lsn` is durable by then; in that case `file` may be gone.
  Status sync_unless_durable(uint64_t lsn, File& file, uint64_t target_lsn);
  [[nodiscard]] uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> written_lsn_;
  std::atomic<uint64_t> durable_lsn_;  // under mutex_
  std::atomic<bool> latched_{false};   // under mutex_
  std::atomic<uint64_t> syncs_{0};

  // One log sync at a time: the kernel reports a failure to only one of them.
  Mutex mutex_{LockRank::kLogSync};
  CommitGroups groups_;
};

}  // namespace cairn::wal
