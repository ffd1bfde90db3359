// Checkpoint: the durable log, folded onto the run records in LMDB; then segments that nothing needs any more are
// recycled.
#include "engine/replay.h"
#include "engine/store.h"

namespace cairn::engine {

namespace {

constexpr uint64_t kPartBytes = 32u << 20;  // run records held in memory before a part is written

}  // namespace

Status Store::checkpoint() {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  const std::lock_guard guard(checkpoint_mutex_);
  if (tables_ == nullptr) {
    return fail(Code::kClosed, "the store is closed");
  }
  const uint64_t applied = tables_->applied_lsn();
  const uint64_t durable = writer_->durable_lsn();
  if (durable > applied) {
    Replay replay([this](std::string_view id) { return tables_->find(id); });
    const auto fold = [&](const wal::RecordView& record) {
      Status folded = replay.visit(record);
      if (folded.ok() && replay.bytes() >= kPartBytes) {
        folded = tables_->write(replay.take_changes(), applied);
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
    CAIRN_TRY(tables_->write(replay.take_changes(), durable));
    // Nothing in the log is given up before LMDB holds it on disk.
    CAIRN_TRY(tables_->sync());
    const std::lock_guard stats(stats_mutex_);
    ++stats_.checkpoints;
  }
  CAIRN_TRY(writer_->recycle(tables_->applied_lsn()));
  CAIRN_TRY(tables_->check_readers());
  evict();
  return {};
}

// A run that nobody holds, with nothing on its way, and whose last record LMDB holds, is loaded from there when it is
// asked for again.
void Store::evict() {
  const uint64_t applied = tables_->applied_lsn();
  const std::lock_guard guard(table_mutex_);
  for (auto at = runs_.begin(); at != runs_.end();) {
    const RunRef& run = at->second;
    // Under table_mutex_ nobody can make a new reference from the table; a count of 1 is ours alone.
    bool clean = run.use_count() == 1;
    if (clean) {
      const std::lock_guard lock(run->lock);
      clean = run->last_lsn <= applied && !run->detached && run->live.pending().empty();
    }
    at = clean ? runs_.erase(at) : std::next(at);
  }
}

}  // namespace cairn::engine
