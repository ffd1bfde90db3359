#include "engine/store/checkpointer.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/error_detail.h"
#include "engine/replay/replay.h"
#include "wal/reader.h"

namespace cairn::engine {

namespace {

constexpr uint64_t kPartBytes = 32u << 20;  // of run records in memory
constexpr uint64_t kPartSegments = 2;       // of log: far more than a checkpoint that keeps up has to fold
constexpr uint64_t kPartsOnFullDisk = 16;

}  // namespace

Status Checkpointer::checkpoint() {
  CAIRN_TRY(gate_.check_process());
  const MutexLock guard(mutex_);
  return fold();
}

Status Checkpointer::make_room() {
  CAIRN_TRY(log_.sync_all());
  return checkpoint();
}

// Erasing gives space back in the end, and a run that ended can be erased by retention.
Status Checkpointer::give_back_space(const FunctionRef<Status()>& once) {
  Status given = once();
  if (given.code == Code::kNoSpace) {
    (void)make_room();
    given = once();
  }
  if (given.code == Code::kNoSpace) {
    const DiskBudget::Erasing erasing(budget_);
    given = once();
  }
  return given;
}

// A full disk gets the tables' part of the reserve: a checkpoint gives space back, and must not need any for it. What
// it gave back makes the reserve whole first.
Status Checkpointer::fold() {
  mutex_.assert_held();
  const auto begin = std::chrono::steady_clock::now();
  Status folded = fold_up_to(writer_.durable_lsn());
  if (folded.code == Code::kNoSpace && budget_.use_reserve(Reserve::Part::kTables)) {
    folded = fold_up_to(writer_.durable_lsn());
  }
  if (folded.code == Code::kNoSpace) {
    folded = fold_in_parts();
  }
  if (gate_.keeps_room()) {
    (void)budget_.hold_reserve(0);
  }
  const auto spent = std::chrono::steady_clock::now() - begin;
  spent_us_ += static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(spent).count());
  return folded;
}

Status Checkpointer::catch_up() {
  mutex_.assert_held();
  if (gate_.code() == Code::kLatched) {
    // What the log has and the disk perhaps not may have taken what waits into a run: a later open shows.
    return gate_.refuse(Code::kLatched);
  }
  const std::shared_ptr<Tables> tables = runs_.tables();
  return tables != nullptr && tables->applied_lsn() >= writer_.durable_lsn() ? Status() : fold();
}

// Each part gives its segments back before the next needs room.
Status Checkpointer::fold_in_parts() {
  const std::shared_ptr<Tables> tables = runs_.tables();
  const uint64_t applied = tables == nullptr ? 0 : tables->applied_lsn();
  const uint64_t records = writer_.durable_lsn() - applied;
  for (uint64_t part = 1; part <= kPartsOnFullDisk; ++part) {
    CAIRN_TRY(fold_up_to(applied + records * part / kPartsOnFullDisk));
  }
  return {};
}

Status Checkpointer::fold_up_to(uint64_t durable) {
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  if (durable > tables->applied_lsn()) {
    CAIRN_TRY(fold_records(*tables, durable));
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  CAIRN_TRY(give_up_log(*tables));
  CAIRN_TRY(tables->check_readers());
  runs_.evict(tables->applied_lsn());
  return folded_();
}

Status Checkpointer::fold_records(Tables& tables, uint64_t durable) {
  Replay replay([&tables](std::string_view id) { return tables.find_for_fold(id); });
  replay.ship(ships_.load(std::memory_order_relaxed));
  uint64_t log_bytes = 0;
  const auto fold = [&](const wal::RecordView& record) -> Status {
    CAIRN_TRY(replay.visit(record));
    log_bytes += record.payload.size();
    if (replay.bytes() < kPartBytes && log_bytes < kPartSegments * options_.segment_bytes) {
      return {};
    }
    log_bytes = 0;
    return end_part(tables, replay, record.lsn);
  };
  CAIRN_TRY(wal::read_range(files_, options_.store_id, tables.applied_lsn() + 1, durable, fold));
  if (const auto gaps = replay.gaps(); !gaps.empty()) {
    return fail(Code::kCorrupt, "the log does not continue run " + gaps[0].id + " at LSN " +
                                    std::to_string(gaps[0].lsn) + ": it has sequence " +
                                    std::to_string(gaps[0].sequence) + ", the record starts at " +
                                    std::to_string(gaps[0].base));
  }
  return tables.write(replay.take_changes(), durable, std::nullopt, replay.cursors(), replay.take_notes());
}

// With a run in mind whose record only an erase further on explains, applied_lsn stays where it is: without that erase
// the log is damaged, and the damage would no longer be found.
Status Checkpointer::end_part(Tables& tables, Replay& replay, uint64_t lsn) {
  if (!replay.gaps().empty()) {
    return tables.write(replay.take_changes(), tables.applied_lsn());
  }
  std::vector<Tables::Change> changes = replay.take_changes();
  std::vector<std::string> ids;
  ids.reserve(changes.size());
  for (const Tables::Change& change : changes) {
    ids.push_back(change.id);
  }
  CAIRN_TRY(tables.write(std::move(changes), lsn, std::nullopt, replay.cursors(), replay.take_notes()));
  CAIRN_TRY(give_up_log(tables));
  runs_.evict(ids, lsn);  // not all runs: those that the next parts write are in the way yet
  return {};
}

// Nothing in the log is given up before LMDB holds it on disk: MDB_NOMETASYNC alone may lose the last commits, also
// those of an earlier call or of the recovery.
Status Checkpointer::give_up_log(Tables& tables) {
  const uint64_t recyclable = tables.applied_lsn();
  CAIRN_TRY(tables.sync());
  return writer_.recycle(recyclable);
}

// The run's lock is held, so the run does not change meanwhile, however many try.
Result<RunRecord> Checkpointer::folded_record(Run& run) {
  mutex_.assert_held();
  for (const bool last : {false, true}) {
    auto record = runs_.tables()->find_for_fold(run.id);
    CAIRN_TRY(record.status());
    if (*record && (*record)->created_lsn == run.record.created_lsn && (*record)->sequence == run.sequence) {
      return std::move(**record);
    }
    if (!last) {
      CAIRN_TRY(log_.seal(run));
      CAIRN_TRY(log_.sync_all());
      CAIRN_TRY(fold());
    }
  }
  return fail(Code::kInternal, "the tables lack a run that the log was folded into", run.id);
}

}  // namespace cairn::engine
