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

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/directory/identity.h"
#include "engine/directory/store_lock.h"
#include "engine/records/run_query.h"
#include "engine/replay/logged_records.h"
#include "engine/replay/replay.h"
#include "engine/staging/staging.h"
#include "engine/sync/outbox_queries.h"
#include "engine/tables/tables.h"
#include "wal/function_ref.h"
#include "wal/reader.h"

namespace cairn::engine {

struct RunView;

/// A record of the log with a right checksum that cannot be used: it does not decode, or does not continue its run.
struct UnfitRecord {
  uint64_t lsn = 0;
  std::string what;
};

struct ReadReport {
  LockOwner owner;
  wal::ScanReport log;
  StagingScan staging;       // without the diffs
  std::string staging_gone;  // the directory outside the store that STAGING names, if it is not there; else ""
  std::vector<Gap> gaps;
  std::vector<UnfitRecord> unfit;  // salvage: records that were skipped
  uint64_t applied_lsn = 0;
  uint64_t attempts = 0;
  uint64_t copied_bytes = 0;   // of the log
  uint64_t head_bytes = 0;     // for choosing a page
  uint64_t folded_runs = 0;    // runs that were held in memory: those with something in staging or the log
  std::string store_problem;   // salvage: why STORE is not used; "" if it is
  std::string tables_problem;  // salvage: why LMDB could not be read; "" if it could
};

class StoreReader {
 public:
  struct Options {
    std::string directory;
    bool salvage = false;                    // read what can be read of a damaged store, instead of kCorrupt
    int64_t patience_ms = 100;               // after that kAgain
    size_t copied_log_bytes_max = 8u << 20;  // see LoggedRecords
    bool unsafe_file_system = false;
    Hooks hooks;
  };
  /// Errors: kNotAStore, kVersion, kUnsafe (the owner lives in another pid namespace), kCorrupt, kIo.
  static Result<std::unique_ptr<StoreReader>> open(Options options);

  /// The run as of now. nullopt: no such run. kAgain: the writer was too fast for 100 ms. kCorrupt: durable data is
  /// damaged (not with salvage; records of other runs are not decoded). kUnsafe: as at open, for an owner that opened
  /// the store later.
  Result<std::optional<RunView>> read(std::string_view id);
  /// All runs as of one moment, in id order. `visit` may be slow for up to 64 MiB of runs; beyond that LMDB cannot
  /// reuse pages while it runs.
  Status each(const FunctionRef<bool(const RunView&)>& visit);
  /// A page of the runs that `query` asks for as of one moment, in its order, and the cursor of the next page; "" when
  /// this is the last. If `visit` returns false the cursor continues after the run that it got. The visitor may do what
  /// it may in each(). With salvage no index is trusted, and what cannot be read is left out. Cost: reads the log after
  /// the tables once, and again from the first record of the page's runs if that log is long, and the index entries
  /// that are needed (tables/select.cc); with a filter, also the stored records of runs that the log changes but does
  /// not start; without a limit, with a text or with salvage that of each().
  Result<std::string> list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                           bool with_documents = true);
  /// Visits the runs with something in staging, or in the log above LSN `since`; erased runs without a view. If the
  /// tables may be ahead of `since`, or if there is none, it visits all runs instead, but not the erased ones, and sets
  /// `complete`.
  Status each_since(std::optional<uint64_t> since, const FunctionRef<void(std::string_view id, const RunView*)>& visit,
                    bool& complete);
  /// What the upstream lacks of the run, and the state of sync; as of the tables, which may be older than the run. Call
  /// after read().
  Status sync_state(const std::string& id, sync::SenderState& sender, sync::OutboxQueries::OfRun& of);
  /// The incarnation of the store, as of the last read: changes if what was acknowledged before an open may be lost.
  [[nodiscard]] uint64_t incarnation() const { return life_.incarnation; }
  [[nodiscard]] int64_t now_ms() const { return options_.hooks.monotonic_ms(options_.hooks.context); }
  /// The LSN up to which the tables now hold the log; nullopt: they cannot be read.
  [[nodiscard]] std::optional<uint64_t> applied_lsn() const;
  /// The report of the last read.
  [[nodiscard]] const ReadReport& report() const { return report_; }
  /// How many runs the tables hold; the log may have more.
  [[nodiscard]] uint64_t stored_runs() const { return tables_ == nullptr ? 0 : tables_->stats().runs; }
  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] wal::Files& files() const { return *files_; }
  [[nodiscard]] StagingIdentity staging_identity() const;
  /// The directories of staging files: the one inside the store, and the one outside that STAGING names, if it exists.
  /// If not, `gone`, if given, gets its name.
  Result<std::vector<StagingPlace>> staging_places(std::string* gone = nullptr);

 private:
  StoreReader() = default;
  using RunIds = std::set<std::string, std::less<>>;
  /// The layers of one look at the store.
  struct Layers {
    const LoggedRecords& log;
    ReadReport& report;  // with the staged diffs
    bool tolerant = false;
    bool last = false;
  };
  /// What a call makes of the layers.
  class Fold {
   public:
    virtual ~Fold() = default;
    virtual void begin() {}  // the snapshot was taken
    /// A record of the log that the snapshot does not have, in order, while the log is checked.
    virtual Status visit(const wal::RecordView& /*record*/) { return {}; }
    virtual Status fold(Layers& layers) = 0;  // the log was checked
  };
  class Attempt;
  class FoldRuns;
  class FoldPage;
  /// All runs, or one.
  Status load(std::string_view only, std::unique_ptr<Replay>& replay);
  Status look(const RunIds& only, Fold& fold);
  Status attempt(const RunIds& only, Fold& fold, bool last);
  Status take_snapshot(bool tolerant);
  /// Folds the runs `only`; empty: all. `behind`: up to this LSN the snapshot has everything that the log has of them.
  Status fold_runs(Layers& layers, const RunIds& only, uint64_t behind, std::unique_ptr<Replay>& replay);
  /// Visits the records of the log that the snapshot does not have, oldest first.
  Status each_logged(Layers& layers, uint64_t behind, const FunctionRef<Status(const wal::RecordView&)>& visit);
  [[nodiscard]] Status unfit(const wal::RecordView& record, const Status& why) const;
  Status judge_gaps(Layers& layers, std::vector<Gap> gaps);
  Status choose_all(const RunQuery& query, std::vector<RunPage::Entry>& entries, bool& more);
  Status select_stored(const Replay& replay, RunPage& page);
  [[nodiscard]] RunView view_of(RunRecord record) const;
  Status each_loaded(const Replay& replay, const FunctionRef<bool(const RunView&)>& visit);
  /// kNotAStore: the store was removed, or replaced by another.
  [[nodiscard]] Status check_place() const;
  /// Writes it to the host's log, once: without an owner nothing else would say what is missing.
  void tell_of_lost_staging(const ReadReport& report);
  static Status check_owner(const LockOwner& owner);

  Options options_;
  Identity identity_;
  std::array<uint8_t, 16> boot_id_{};
  std::unique_ptr<wal::Files> own_files_;
  uint64_t device_ = 0;  // this and the next: of the directory, if this object opened the files
  uint64_t inode_ = 0;
  bool told_of_lost_staging_ = false;
  wal::Files* files_ = nullptr;
  std::unique_ptr<Tables> tables_;  // null: unborn data/, or unreadable in salvage
  std::unique_ptr<Tables::Snapshot> snapshot_;
  Life life_;  // of the last open for writing
  ReadReport report_;
};

}  // namespace cairn::engine
