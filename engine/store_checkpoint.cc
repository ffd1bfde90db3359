// Checkpoint: the durable log, folded onto the run records in LMDB; then segments that nothing needs any more are
// recycled.
//
// However much log there is, it is folded in parts that end between two of its records: a part's runs are written,
// applied_lsn moves with the last of them, and its segments go. So the owner holds no more than a part, and a reader
// finds no more in the log than a part and what came since.
#include <algorithm>

#include "engine/replay.h"
#include "engine/store.h"

namespace cairn::engine {

namespace {

constexpr uint64_t kPartBytes = 32u << 20;  // of run records in memory
constexpr uint64_t kPartSegments = 2;       // of log: far more than a checkpoint that keeps up has to fold
constexpr uint64_t kPartsOnFullDisk = 16;
constexpr size_t kEvictedAtOnce = 256;  // with table_mutex_ held, which every start needs

/// With table_mutex_ held: nobody can make a new reference from the table, and a count of 1 is the table's alone.
/// `last_lsn` is of its last record, which the tables need to have before it can go.
bool nobody_needs(const RunRef& run, uint64_t& last_lsn) {
  if (run.use_count() != 1) {
    return false;
  }
  const std::lock_guard lock(run->lock);
  last_lsn = run->last_lsn;
  return !run->detached && run->live.pending().empty();
}

}  // namespace

Status Store::checkpoint() {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  const std::lock_guard guard(checkpoint_mutex_);
  return checkpoint_locked();
}

// What the log holds counts for a checkpoint once it is durable: the erases that are to make the room, too.
Status Store::make_room() {
  CAIRN_TRY(synced(writer_->written_lsn()));
  return checkpoint();
}

// A full disk gets the tables' part of the reserve: a checkpoint gives space back, and must not need any for it. What
// it gave back makes the reserve whole first.
Status Store::checkpoint_locked() {
  Status folded = fold_log(writer_->durable_lsn());
  if (folded.code == Code::kNoSpace && use_reserve(Reserve::Part::kTables)) {
    folded = fold_log(writer_->durable_lsn());
  }
  if (folded.code == Code::kNoSpace) {
    folded = fold_in_parts();
  }
  if (reserve_owed_) {
    (void)hold_reserve(0);
  }
  return folded;
}

// Each part gives its segments back before the next needs room.
Status Store::fold_in_parts() {
  const std::shared_ptr<Tables> tables = this->tables();
  const uint64_t applied = tables == nullptr ? 0 : tables->applied_lsn();
  const uint64_t records = writer_->durable_lsn() - applied;
  for (uint64_t part = 1; part <= kPartsOnFullDisk; ++part) {
    CAIRN_TRY(fold_log(applied + records * part / kPartsOnFullDisk));
  }
  return {};
}

Status Store::fold_log(uint64_t durable) {
  const std::shared_ptr<Tables> tables = this->tables();
  if (tables == nullptr) {
    return fail(Code::kClosed, "the store is closed");
  }
  // Nothing in the log is given up before LMDB holds it on disk: MDB_NOMETASYNC alone may lose the last commits, also
  // those of an earlier call or of the recovery.
  const auto give_up_log = [&] {
    const uint64_t recyclable = tables->applied_lsn();
    CAIRN_TRY(tables->sync());
    return writer_->recycle(recyclable);
  };
  const uint64_t applied = tables->applied_lsn();
  if (durable > applied) {
    Replay replay([&tables](std::string_view id) { return tables->find_for_fold(id); });
    replay.ship(ships_.load(std::memory_order_relaxed));
    // Not all runs, as evict() does: those that the next parts write are in the way yet.
    const auto evict_part = [this](const std::vector<std::string>& ids, uint64_t lsn) {
      for (size_t next = 0; next < ids.size();) {
        std::vector<RunRef> gone;  // ends after the lock does
        const std::lock_guard guard(table_mutex_);
        for (const size_t end = std::min(ids.size(), next + kEvictedAtOnce); next < end; ++next) {
          const auto at = runs_.find(ids[next]);
          uint64_t last_lsn = 0;
          if (at != runs_.end() && nobody_needs(at->second, last_lsn) && last_lsn <= lsn) {
            ++evictions_;
            evicted_lsn_ = std::max(evicted_lsn_, last_lsn);
            gone.push_back(std::move(at->second));
            runs_.erase(at);
          }
        }
      }
    };
    // With a run in mind whose record only an erase further on explains, applied_lsn stays where it is: without that
    // erase the log is damaged, and nobody would see it any more.
    const auto end_part = [&](uint64_t lsn) -> Status {
      if (!replay.gaps().empty()) {
        return tables->write(replay.take_changes(), tables->applied_lsn());
      }
      std::vector<Tables::Change> changes = replay.take_changes();
      std::vector<std::string> ids;
      ids.reserve(changes.size());
      for (const Tables::Change& change : changes) {
        ids.push_back(change.id);
      }
      CAIRN_TRY(tables->write(std::move(changes), lsn, std::nullopt, replay.cursors()));
      CAIRN_TRY(give_up_log());
      evict_part(ids, lsn);
      return {};
    };
    uint64_t log_bytes = 0;
    const auto fold = [&](const wal::RecordView& record) -> Status {
      CAIRN_TRY(replay.visit(record));
      log_bytes += record.payload.size();
      if (replay.bytes() < kPartBytes && log_bytes < kPartSegments * options_.segment_bytes) {
        return {};
      }
      log_bytes = 0;
      return end_part(record.lsn);
    };
    CAIRN_TRY(wal::read_range(*files_, identity_.store_id, applied + 1, durable, fold));
    if (const auto gaps = replay.gaps(); !gaps.empty()) {
      return fail(Code::kCorrupt, "the log does not continue run " + gaps[0].id + " at LSN " +
                                      std::to_string(gaps[0].lsn) + ": it has sequence " +
                                      std::to_string(gaps[0].sequence) + ", the record starts at " +
                                      std::to_string(gaps[0].base));
    }
    CAIRN_TRY(tables->write(replay.take_changes(), durable, std::nullopt, replay.cursors()));
    const std::lock_guard stats(stats_mutex_);
    ++stats_.checkpoints;
  }
  CAIRN_TRY(give_up_log());
  CAIRN_TRY(tables->check_readers());
  evict(tables->applied_lsn());
  return judge_unsynced();
}

// A run that nobody holds, with nothing on its way, and whose last record LMDB holds, is loaded from there when it is
// asked for again. Those that only lack the last are counted: a checkpoint makes them fit.
void Store::evict(uint64_t applied) {
  const std::lock_guard guard(table_mutex_);
  size_t only_in_log = 0;
  for (auto at = runs_.begin(); at != runs_.end();) {
    uint64_t last_lsn = 0;
    const bool idle = nobody_needs(at->second, last_lsn);
    const bool clean = idle && last_lsn <= applied;
    only_in_log += idle && !clean ? 1 : 0;
    evictions_ += clean ? 1 : 0;
    evicted_lsn_ = clean ? std::max(evicted_lsn_, last_lsn) : evicted_lsn_;
    at = clean ? runs_.erase(at) : std::next(at);
  }
  runs_only_in_log_ = only_in_log;
  evict_at_ = std::max(kHotRunsMin, 2 * runs_.size());
}

}  // namespace cairn::engine
