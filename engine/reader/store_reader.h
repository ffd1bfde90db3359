// Reads a store without owning it: while a process owns it, after a crash, or if it is damaged (salvage). It changes
// nothing.
//
// It reads staging first, then one LMDB snapshot, then the log after that; and folds them oldest first, by sequence.
// What leaves staging meanwhile is in the log by then. If segments are recycled after the snapshot was taken, the
// reader sees that they are missing and tries again. So it sees at least what was acknowledged before it began. If the
// snapshot has runs that are newer than its applied_lsn (an interrupted checkpoint), the log has their records.
//
// Memory, for the runs that changed since the owner's last checkpoint: a page of a listing needs about 60 bytes and the
// id of each (run_heads.h); a read of one run needs nothing for the others; a read of all runs holds all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/reader/attempt.h"
#include "engine/reader/layers.h"
#include "engine/reader/lost_staging_notice.h"
#include "engine/reader/opened_store.h"
#include "engine/reader/read_report.h"
#include "engine/reader/stored_homes.h"
#include "engine/records/run_query.h"
#include "engine/replay/replay.h"
#include "engine/sync/outbox_queries.h"
#include "engine/tables/life.h"
#include "engine/tables/tables.h"
#include "wal/function_ref.h"

namespace cairn::engine {

struct RunView;

class StoreReader {
 public:
  using Options = OpenedStore::Options;
  /// Errors: kNotAStore, kVersion, kUnsafe (the owner lives in another pid namespace), kCorrupt, kIo.
  static Result<std::unique_ptr<StoreReader>> open(Options options);

  /// The run as of now. nullopt: no such run. kAgain: the writer was too fast for 100 ms. kCorrupt: durable data is
  /// damaged (not with salvage; records of other runs are not decoded). kUnsafe: as at open, for an owner that opened
  /// the store later.
  Result<std::optional<RunView>> read(std::string_view id, bool with_texts = false);
  /// All runs as of one moment, in id order. `visit` may be slow for up to 64 MiB of runs; beyond that LMDB cannot
  /// reuse pages while it runs.
  Status each(const FunctionRef<bool(const RunView&)>& visit);
  /// The same with the runs' texts, and the notes, but those of requests: all that a copy needs.
  Status each_whole(const FunctionRef<bool(const RunView&)>& visit, std::vector<Note>& notes);
  /// A page of the runs that are `asked` for as of one moment, in its order, and the cursor of the next page; "" when
  /// this is the last. If `visit` returns false the cursor continues after the run that it got. The visitor may do what
  /// it may in each(). With salvage no index is trusted, and what cannot be read is left out. Cost: reads the log after
  /// the tables once, and again from the first record of the page's runs if that log is long, and the index entries
  /// that are needed (tables/select.cc); with a filter, also the stored records of runs that the log changes but does
  /// not start; without a limit, with a text or `from`, or with salvage, that of each().
  Result<std::string> list(const RunQuery& asked, const FunctionRef<bool(const RunView&)>& visit,
                           bool with_documents = true);
  /// Visits the runs with something in staging, or in the log above LSN `since`; erased runs without a view. If the
  /// tables may be ahead of `since`, or if there is none, it visits all runs instead, but not the erased ones, and sets
  /// `complete`.
  Status each_since(std::optional<uint64_t> since, const FunctionRef<void(std::string_view id, const RunView*)>& visit,
                    bool& complete);
  /// What the upstream lacks of the run, and the state of sync; as of the tables, which may be older than the run. Call
  /// after read().
  Status sync_state(const std::string& id, sync::SenderState& sender, sync::OutboxQueries::OfRun& of);
  /// The state of sync, what waits, and whether all that is in the log may be sent. Folds nothing.
  Status sync_state(sync::SenderState& sender, sync::OutboxQueries::Waiting& waiting, bool& folded);
  /// Visits the changes that the upstream refused, in the order of ids. kCorrupt: a dead letter is damaged.
  Status each_dead(const FunctionRef<bool(const std::string& id, const sync::DeadLetter& letter)>& visit);
  /// The incarnation of the store, as of the last read: changes if what was acknowledged before an open may be lost.
  [[nodiscard]] uint64_t incarnation() const { return life_.incarnation; }
  [[nodiscard]] int64_t now_ms() const;
  /// The report of the last read.
  [[nodiscard]] const ReadReport& report() const { return report_; }
  /// What is read.
  [[nodiscard]] const OpenedStore& store() const { return *store_; }

 private:
  explicit StoreReader(std::unique_ptr<OpenedStore>&& store)
      : store_(std::move(store)), lost_staging_(store_->options().hooks) {}
  /// All runs, or one.
  Status load(std::string_view only, std::unique_ptr<Replay>& replay);
  /// As many attempts as there is patience for.
  Status look(const RunIds& only, Fold& fold);
  Status each_loaded(const Replay& replay, const FunctionRef<bool(const RunView&)>& visit, bool with_texts = false);
  /// Adds what the snapshot has of the run's texts.
  Status add_texts(RunRecord& record) const;
  Status choose_all(const RunQuery& query, std::vector<RunPage::Entry>& entries, bool& more);
  Status select_stored(const Replay& replay, RunPage& page);
  [[nodiscard]] RunView view_of(RunRecord record) const;
  void load_homes();

  const std::unique_ptr<OpenedStore> store_;
  std::unique_ptr<Tables::Snapshot> snapshot_;
  Life life_;  // of the last open for writing
  ReadReport report_;
  LostStagingNotice lost_staging_;
  StoredHomes homes_;  // as of the last look
};

}  // namespace cairn::engine
