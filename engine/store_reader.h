// Reading a store without owning it: beside a live owner, after a crash, or a damaged one (salvage). Changes nothing.
//
// Staging first, then one LMDB snapshot, then the log behind that; folded oldest first, by sequence. What leaves staging
// is in the log by then, and what is recycled of the log after the snapshot is missed there: the reader tries again. So
// it sees at least what was acknowledged before it looked, and the log has all that the snapshot has beyond its
// applied_lsn (a checkpoint that was cut short).
//
// However much waits for the owner's next checkpoint, a page of a listing holds about 60 bytes and the id of each run in
// there (run_heads.h), and a read of one run nothing of the others. What reads all runs holds all that are in there.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/hooks.h"
#include "engine/identity.h"
#include "engine/logged_records.h"
#include "engine/replay.h"
#include "engine/run_query.h"
#include "engine/staging.h"
#include "engine/store_lock.h"
#include "engine/sync/outbox.h"
#include "engine/tables.h"
#include "wal/function_ref.h"
#include "wal/reader.h"

namespace cairn::engine {

struct RunView;

/// A record of the log that is whole, and that its run cannot take: it does not decode, or does not suit the run.
struct UnfitRecord {
  uint64_t lsn = 0;
  std::string what;
};

struct ReadReport {
  LockOwner owner;
  wal::ScanReport log;
  StagingScan staging;       // without the diffs
  std::string staging_gone;  // the directory outside that STAGING names and that is not there; ""
  std::vector<Gap> gaps;
  std::vector<UnfitRecord> unfit;  // salvage: what was passed over
  uint64_t applied_lsn = 0;
  uint64_t attempts = 0;
  uint64_t copied_bytes = 0;   // of the log
  uint64_t head_bytes = 0;     // for choosing a page
  uint64_t folded_runs = 0;    // runs that were held whole: those that staging or the log had something of
  std::string store_problem;   // salvage: why STORE does not count; "" if it does
  std::string tables_problem;  // salvage: why LMDB could not be read; "" if it could
};

class StoreReader {
 public:
  struct Options {
    std::string directory;
    bool salvage = false;                    // give what can be read of a damaged store, instead of kCorrupt
    int64_t patience_ms = 100;               // then kAgain
    size_t copied_log_bytes_max = 8u << 20;  // see LoggedRecords
    bool unsafe_file_system = false;
    Hooks hooks;
  };
  /// Errors: kNotAStore, kVersion, kUnsafe (the owner lives in another pid namespace), kCorrupt, kIo.
  static Result<std::unique_ptr<StoreReader>> open(Options options);

  /// The run as of now. Nothing: no such run. kAgain: the writer was too quick for 100 ms. kCorrupt: durable data is
  /// damaged (not with salvage; records of other runs are not decoded). kUnsafe: as at open, of an owner that came
  /// later.
  Result<std::optional<RunView>> read(std::string_view id);
  /// All runs as of one moment, in id order. `visit` may take its time up to 64 MiB of runs; beyond, LMDB uses no page
  /// again while it runs.
  Status each(const FunctionRef<bool(const RunView&)>& visit);
  /// A page of the runs that `query` asks for as of one moment, in its order, and the cursor of the next page; "" when
  /// this is the last. If `visit` returns false the cursor continues behind the run that it got. Of the visitor the
  /// same holds as for each(). With salvage no index is trusted, and what cannot be read is left out. Cost: a look
  /// through the log behind the tables, another one from the first record of the page's runs on if that log is long, and
  /// the index entries that are looked at (tables_select.cc); with a filter, also the records of runs that the log has
  /// and whose start it has not; without a limit, with a text or with salvage that of each().
  Result<std::string> list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                           bool with_documents = true);
  /// Visits the runs of which the log holds something above LSN `since`, or staging does; those that were erased
  /// without a view. `complete`: where the tables may be ahead of `since`, or without it, all runs are visited instead,
  /// and those that were erased are not.
  Status each_since(std::optional<uint64_t> since, const FunctionRef<void(std::string_view id, const RunView*)>& visit,
                    bool& complete);
  /// What the upstream lacks of the run, and the state of sync; as of the tables, which may be behind the run. Call
  /// after read().
  Status sync_state(const std::string& id, sync::SenderState& sender, sync::Outbox::OfRun& of);
  /// Of the store, as of the last read: changes when what was acknowledged before an open may be lost.
  [[nodiscard]] uint64_t incarnation() const { return life_.incarnation; }
  [[nodiscard]] int64_t now_ms() const { return options_.hooks.monotonic_ms(options_.hooks.context); }
  /// What the tables hold of the log now; nothing: they cannot be read.
  [[nodiscard]] std::optional<uint64_t> applied_lsn() const;
  /// Of the last read.
  [[nodiscard]] const ReadReport& report() const { return report_; }
  /// How many runs the tables hold; the log may have more.
  [[nodiscard]] uint64_t stored_runs() const { return tables_ == nullptr ? 0 : tables_->stats().runs; }
  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] wal::Files& files() const { return *files_; }
  [[nodiscard]] StagingIdentity staging_identity() const;
  /// The directories that staging files are in: inside, and the one outside that STAGING names, if it is there; else
  /// `gone`, if given, names it.
  Result<std::vector<StagingPlace>> staging_places(std::string* gone = nullptr);

 private:
  StoreReader() = default;
  using RunIds = std::set<std::string, std::less<>>;
  /// What one look found.
  struct Layers {
    const LoggedRecords& log;
    ReadReport& report;  // with the staged diffs
    bool tolerant = false;
    bool last = false;
  };
  /// What is made of what one look finds.
  class Fold {
   public:
    virtual ~Fold() = default;
    virtual void begin() {}  // the snapshot is there
    /// A record of the log that the snapshot does not hold, in order, while the log is judged.
    virtual Status visit(const wal::RecordView& /*record*/) { return {}; }
    virtual Status fold(Layers& layers) = 0;  // the log is sound
  };
  class FoldRuns;
  class FoldPage;
  /// All runs, or one.
  Status load(std::string_view only, std::unique_ptr<Replay>& replay);
  Status look(const RunIds& only, Fold& fold);
  Status attempt(const RunIds& only, Fold& fold, bool last);
  Status take_snapshot(bool tolerant);
  /// No runs: all. `behind`: the log holds nothing of them up to there that the snapshot has not.
  Status fold_runs(Layers& layers, const RunIds& only, uint64_t behind, std::unique_ptr<Replay>& replay);
  /// Oldest first: the records of the log that the snapshot does not hold.
  Status each_logged(Layers& layers, uint64_t behind, const FunctionRef<Status(const wal::RecordView&)>& visit);
  [[nodiscard]] Status unfit(const wal::RecordView& record, const Status& why) const;
  Status judge_gaps(Layers& layers, std::vector<Gap> gaps);
  Status choose_all(const RunQuery& query, std::vector<RunPage::Entry>& entries, bool& more);
  Status select_stored(const Replay& replay, RunPage& page);
  [[nodiscard]] RunView view_of(RunRecord record) const;
  Status each_loaded(const Replay& replay, const FunctionRef<bool(const RunView&)>& visit);
  /// kNotAStore: the store was removed, or another one made in its place.
  [[nodiscard]] Status check_place() const;
  /// Once, by the host's log: without an owner nobody says what is missing.
  void tell_of_lost_staging(const ReadReport& report);
  static Status check_owner(const LockOwner& owner);

  Options options_;
  Identity identity_;
  std::array<uint8_t, 16> boot_id_{};
  std::unique_ptr<wal::Files> own_files_;
  uint64_t device_ = 0;  // this and the next: of the directory, where the files are ours
  uint64_t inode_ = 0;
  bool told_of_lost_staging_ = false;
  wal::Files* files_ = nullptr;
  std::unique_ptr<Tables> tables_;  // null: unborn data/, or unreadable in salvage
  std::unique_ptr<Tables::Snapshot> snapshot_;
  Life life_;  // of the last open for writing
  ReadReport report_;
};

}  // namespace cairn::engine
