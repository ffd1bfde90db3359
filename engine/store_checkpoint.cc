// Checkpoint: the durable log, folded onto the run records in LMDB; then segments that nothing needs any more are
// recycled.
#include <algorithm>

#include "engine/replay.h"
#include "engine/store.h"

namespace cairn::engine {

namespace {

constexpr uint64_t kPartBytes = 32u << 20;  // run records held in memory before a part is written
constexpr uint64_t kPartsOnFullDisk = 16;

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
  const uint64_t applied = tables->applied_lsn();
  if (durable > applied) {
    Replay replay([&tables](std::string_view id) { return tables->find_for_fold(id); });
    replay.ship(ships_.load(std::memory_order_relaxed));
    const auto fold = [&](const wal::RecordView& record) {
      Status folded = replay.visit(record);
      if (folded.ok() && replay.bytes() >= kPartBytes) {
        folded = tables->write(replay.take_changes(), applied);
      }
      return folded;
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
  // Nothing in the log is given up before LMDB holds it on disk: MDB_NOMETASYNC alone may lose the last commits, also
  // those of an earlier call or of the recovery.
  const uint64_t recyclable = tables->applied_lsn();
  CAIRN_TRY(tables->sync());
  CAIRN_TRY(writer_->recycle(recyclable));
  CAIRN_TRY(tables->check_readers());
  evict(recyclable);
  return judge_unsynced();
}

// A run that nobody holds, with nothing on its way, and whose last record LMDB holds, is loaded from there when it is
// asked for again. Those that only lack the last are counted: a checkpoint makes them fit.
void Store::evict(uint64_t applied) {
  const std::lock_guard guard(table_mutex_);
  size_t only_in_log = 0;
  for (auto at = runs_.begin(); at != runs_.end();) {
    const RunRef& run = at->second;
    // Under table_mutex_ nobody can make a new reference from the table; a count of 1 is ours alone.
    bool clean = run.use_count() == 1;
    if (clean) {
      const std::lock_guard lock(run->lock);
      clean = !run->detached && run->live.pending().empty();
      only_in_log += clean && run->last_lsn > applied ? 1 : 0;
      clean = clean && run->last_lsn <= applied;
    }
    evictions_ += clean ? 1 : 0;
    evicted_lsn_ = clean ? std::max(evicted_lsn_, run->last_lsn) : evicted_lsn_;
    at = clean ? runs_.erase(at) : std::next(at);
  }
  runs_only_in_log_ = only_in_log;
  evict_at_ = std::max(kHotRunsMin, 2 * runs_.size());
}

}  // namespace cairn::engine
