// Checkpoint: the durable log, folded onto the run records in LMDB; then segments that nothing needs any more are
// recycled.
//
// However much log there is, it is folded in parts that end between two of its records: a part's runs are written,
// applied_lsn moves with the last of them, and its segments go. So the owner holds no more than a part, and a reader
// finds no more in the log than a part and what came since.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "cairn/status.h"
#include "engine/store/disk_budget.h"
#include "engine/store/gate.h"
#include "engine/store/run_log.h"
#include "engine/store/run_table.h"
#include "wal/files.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"
#include "wal/writer.h"

namespace cairn::engine {

class Replay;

class Checkpointer {
 public:
  struct Options {
    std::array<uint8_t, 16> store_id{};
    uint32_t segment_bytes = 0;
  };
  /// `ships`: changes of runs are also folded onto outbox rows. `folded`: called after each, with mutex() held.
  Checkpointer(Options options, wal::Files& files, wal::Writer& writer, const Gate& gate, RunTable& runs, RunLog& log,
               DiskBudget& budget, const std::atomic<bool>& ships, std::function<Status()> folded)
      : options_(options),
        files_(files),
        writer_(writer),
        gate_(gate),
        runs_(runs),
        log_(log),
        budget_(budget),
        ships_(ships),
        folded_(std::move(folded)) {}

  Status checkpoint();
  /// A checkpoint of all that the log holds: it counts for one once it is durable, and so do the erases in it that are
  /// to make the room.
  Status make_room();
  /// `once`, which gives space back in the end: again with room from a checkpoint, then with the reserve.
  Status give_back_space(const FunctionRef<Status()>& once);

  /// One checkpoint at a time. Before the turn to flush, and after the sender's mutex.
  [[nodiscard]] Mutex& mutex() CAIRN_RETURN_CAPABILITY(mutex_) { return mutex_; }
  // With mutex() held.
  /// A checkpoint.
  Status fold();
  /// A checkpoint, if the log has anything durable that the tables lack. For what is sent: refused after a failed sync.
  Status catch_up();
  /// By a caller who keeps the run in memory: its record with all that was done to it, and what of that waits for the
  /// upstream. Waits for a sync if the log has something of the run that the tables have not.
  Result<RunRecord> folded_record(Run& run) CAIRN_REQUIRES(run.lock);
  /// So many checkpoints folded something.
  [[nodiscard]] uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  /// And took so long together.
  [[nodiscard]] uint64_t spent_us() const { return spent_us_.load(std::memory_order_relaxed); }

 private:
  Status fold_in_parts();
  Status fold_up_to(uint64_t durable);
  Status fold_records(Tables& tables, uint64_t durable);
  Status end_part(Tables& tables, Replay& replay, uint64_t lsn);
  Status give_up_log(Tables& tables);

  const Options options_;
  wal::Files& files_;
  wal::Writer& writer_;
  const Gate& gate_;
  RunTable& runs_;
  RunLog& log_;
  DiskBudget& budget_;
  const std::atomic<bool>& ships_;
  const std::function<Status()> folded_;
  std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> spent_us_{0};
  Mutex mutex_{LockRank::kCheckpoint};
};

}  // namespace cairn::engine
