// The runs of a store: those in memory, over the tables that have the rest.
//
// A run that is in memory is newer than its record in the tables. One that nobody holds is evicted once the tables have
// all of it, and loaded again when it is asked for. So at most one Run of an id is in use at a time.
//
// The table's mutex is held for lookups only, never over a read of LMDB. A run's lock is taken with it held where
// nobody else has a reference to the run, so that it is not waited for there. Whoever holds a run's lock may take it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/status.h"
#include "engine/store/run.h"
#include "engine/tables/tables.h"
#include "wal/mutex.h"

namespace cairn::engine {

/// How a run with this record takes updates: not at all once it is finished. One that came from elsewhere has
/// kAccepted until something of this store changes it.
Code gate_of(const RunRecord& record);

class RunTable {
 public:
  /// At the open of the store.
  void open(std::shared_ptr<Tables> tables);
  /// What the log has up to `lsn` is in the tables, and no run is in memory yet.
  void begin(uint64_t lsn);
  /// From now on tables() is null. Runs in memory stay for those who hold them.
  void close();
  /// For the destructor in a forked child, where the mutex may be held by a thread that does not exist. So it is not
  /// locked, and clang does not look at this.
  std::shared_ptr<Tables> abandon() CAIRN_NO_THREAD_SAFETY_ANALYSIS;

  /// Null: the store is closed.
  [[nodiscard]] std::shared_ptr<Tables> tables() const;
  /// A run that is in memory; else null.
  [[nodiscard]] RunRef find(const std::string& id) const;
  /// Brings it into memory. kNoSuchRun (without a detail), kClosed, and what a read of the tables may say.
  Result<RunRef> load(std::string_view id);
  [[nodiscard]] size_t count() const;
  struct Hot {
    std::vector<RunRef> runs;  // in no order
    uint64_t evicted_lsn = 0;  // runs that are not in memory have nothing in the log above
  };
  [[nodiscard]] Hot hot() const;
  /// Of the hot runs this one alone.
  [[nodiscard]] Hot hot(const std::string& id) const;

  /// One start or erase at a time. Taken before any run's lock.
  [[nodiscard]] Mutex& start_mutex() CAIRN_RETURN_CAPABILITY(start_mutex_) { return start_mutex_; }

  /// New runs on their way into the log. A run is in the table, locked, before its record can be in the log: else a
  /// checkpoint and a find in between would load a second one. Runs that are not kept leave the table as erased ones,
  /// and what stood in their places comes back. Unlocks them in the end. With start_mutex() held.
  class Entering {
   public:
    explicit Entering(RunTable& table) : table_(table) {}
    ~Entering();
    Entering(const Entering&) = delete;
    Entering& operator=(const Entering&) = delete;
    /// The run stays locked. clang does not look at this: it cannot follow which lock a returned pointer brings.
    RunRef add(RunRecord&& record) CAIRN_NO_THREAD_SAFETY_ANALYSIS;
    /// Their records are in the log.
    void keep() { kept_ = true; }

   private:
    struct Entry {
      RunRef run;
      RunRef replaced;  // an erased one, or one that is replaced
    };
    RunTable& table_;
    std::vector<Entry> entries_;
    bool kept_ = false;
  };

  /// Evicts the runs that nobody holds and that the tables have up to `applied`.
  void evict(uint64_t applied);
  /// The same, of these runs alone.
  void evict(const std::vector<std::string>& ids, uint64_t applied);
  /// So many runs are in memory that an eviction is worth its time.
  [[nodiscard]] bool eviction_due() const;
  /// So many runs only wait for a checkpoint to be evicted that it is worth its time.
  [[nodiscard]] bool many_wait_for_checkpoint() const;
  /// Somebody else than the caller, who has one reference, and the table holds the run. With the run's lock held:
  /// a later look-up of the run waits for that lock.
  [[nodiscard]] bool has_other_holders(const Run& run) const;

 private:
  static constexpr size_t kHotRunsMin = 1024;  // fewer in memory are not worth an eviction of their own

  /// Nobody else has it yet, so it is not locked, and clang does not look at this.
  RunRef make_run(RunRecord&& record) CAIRN_REQUIRES(mutex_) CAIRN_NO_THREAD_SAFETY_ANALYSIS;
  void leave(const RunRef& run, RunRef replaced) CAIRN_REQUIRES(run->lock);

  Mutex start_mutex_{LockRank::kStarts};
  mutable Mutex mutex_{LockRank::kRunTable};
  std::shared_ptr<Tables> tables_ CAIRN_GUARDED_BY(mutex_);
  std::unordered_map<std::string, RunRef> runs_ CAIRN_GUARDED_BY(mutex_);
  uint64_t evictions_ CAIRN_GUARDED_BY(mutex_) = 0;  // grows with each eviction of any run
  uint64_t evicted_lsn_ CAIRN_GUARDED_BY(mutex_) = 0;
  uint64_t next_number_ CAIRN_GUARDED_BY(mutex_) = 1;
  size_t evict_at_ CAIRN_GUARDED_BY(mutex_) = kHotRunsMin;  // with so many runs in memory the next eviction is due
  size_t only_in_log_ CAIRN_GUARDED_BY(mutex_) = 0;  // runs that the last one would have taken, but for the checkpoint
};

}  // namespace cairn::engine
