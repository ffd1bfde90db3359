// The store: owns the run table, staging, log and tables, and moves changes through them:
//   operation -> document and pending diff -> staging slot -> (seal) log -> (checkpoint) LMDB.
//
// Lock order: step_mutex_, sync_mutex_, checkpoint_mutex_, flush_mutex_, start_mutex_, run locks by run number, then
// the log's append mutex, then its sync mutex. dirty_mutex_, table_mutex_, listeners_mutex_ and stats_mutex_ are
// leaves. Nobody waits for a sync while holding a run lock, but for a rotation of the log.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cairn/status.h"
#include "engine/error_detail.h"
#include "engine/fork_guard.h"
#include "engine/hooks.h"
#include "engine/identity.h"
#include "engine/log_record.h"
#include "engine/reserve.h"
#include "engine/run.h"
#include "engine/staging.h"
#include "engine/store_lock.h"
#include "engine/sync/batch.h"
#include "engine/sync/outbox.h"
#include "engine/sync/sender.h"
#include "engine/tables.h"
#include "wal/function_ref.h"
#include "wal/reader.h"
#include "wal/writer.h"

namespace cairn::engine {

enum class Durability : int32_t { kDefault = 0, kProcess = 1, kPower = 2, kUpstream = 3 };

struct StoreOptions {
  std::string directory;
  bool create = true;  // make the store if there is none
  Durability durability = Durability::kProcess;
  uint32_t flush_interval_ms = 1000;   // bounds what class process loses to a power cut; 0: continuously
  uint32_t metadata_bytes_max = 4096;  // JSON text of a run's document
  uint32_t segment_bytes = 4u << 20;
  uint32_t border_bytes = 512;
  uint64_t disk_bytes_max = 0;  // 0: no budget
  uint32_t crash_grace_ms = 10'000;
  uint32_t upstream_timeout_ms = 30'000;  // calls of class upstream wait so long for the acknowledgement
  uint64_t retain_finished_ms = 0;        // step erases runs so long after they finished; 0: never
  uint64_t retain_finished_max = 0;       // and the oldest beyond so many finished ones; 0: no bound
  bool mark_crashed = true;               // the command line and relays never mark
  bool background = false;                // one owned thread runs step()
  bool staging = true;                    // false: every operation appends to the log
  std::string staging_dir;                // staging files in a directory of their own in there; "": in the store
  /// Refuse (kAgain) where a process that was killed left updates in a directory that cannot be seen from here.
  bool need_staging_dir = false;
  bool guard_sigbus = false;         // survive a SIGBUS of a staging file (sigbus_guard.h)
  bool unsafe_file_system = false;   // open on network file systems all the same
  uint32_t history_interval_ms = 0;  // 0: no history
  uint32_t history_points = 600;     // of one run
  Hooks hooks;
};

struct StartOptions {
  std::string id;  // empty: one is made, "run_" and 26 characters that sort by time
  std::string task;
  std::string parent;
  std::string root;
  std::vector<std::string> tags;
  Object metadata;
};

struct StoreStats {
  uint64_t runs_hot = 0, runs_dirty = 0;
  uint64_t written_lsn = 0, durable_lsn = 0, applied_lsn = 0;
  uint64_t epoch = 0, durable_epoch = 0;
  uint64_t updates_staged_whole = 0;
  uint64_t flushes = 0, checkpoints = 0, transactions = 0, overflow_appends = 0;
  uint64_t disk_bytes = 0, wal_bytes = 0, staging_bytes = 0, tables_bytes = 0;
  uint64_t table_reads = 0;  // values of the tables that were looked up or walked over
  uint64_t recovered_runs = 0, recovered_diffs = 0, ignored_staged = 0, dropped_records = 0;
  bool torn_tail = false, copied = false, staging_on = false;
  bool staging_lost = false;    // a staging directory outside was gone at the open, after an unclean end
  bool staging_failed = false;  // a SIGBUS was survived: staging is off until the next open
  wal::Writer::Counters wal;
  Staging::Counters staging;
};

/// One run as readers see it.
struct RunView {
  RunRecord record;
  bool orphaned = false;  // unfinished, and of another session: computed, never stored
  bool erased = false;    // while somebody still holds it
};

/// What steps do behind their own work, outside of their locks: at most every interval_ms(), and only after something
/// has changed.
class StepListener {
 public:
  StepListener() = default;
  StepListener(const StepListener&) = delete;
  StepListener& operator=(const StepListener&) = delete;
  virtual ~StepListener() = default;
  [[nodiscard]] virtual uint32_t interval_ms() const = 0;
  /// False: there is more to do, in the next interval.
  virtual bool stepped() = 0;
};

class History;

/// Keeps a run in memory while it is held.
using RunRef = std::shared_ptr<Run>;

/// A key of a run, found once. Lives inside cairn_cell. After insert, delete, replace it finds its key again by name.
struct CellPlace {
  uint32_t layout = 0;
  int32_t member = -1;
};

class Store {
 public:
  /// Opens for writing. Errors: kBusy, kCorrupt, kVersion, kNotAStore, kUnsafe, kNoSpace, kIo, kReadOnly,
  /// kInvalidArgument; error_detail() says more.
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  ~Store();  // close(0) if it is still open

  /// Holds a part of the disk back where there is room, as step() does: for who calls none.
  Status keep_room();

  /// Stops new calls, flushes, syncs, checkpoints, marks the log clean. kTimeout: the deadline passed; everything
  /// acknowledged is on disk as its class says.
  Status close(int64_t deadline_ms);

  // --- runs ---
  Result<RunRef> start(const StartOptions& options, Durability durability = Durability::kDefault);
  /// The run that `run` names as its parent, or as its root; `run` itself where it names none. One that is not in this
  /// store is owned elsewhere: then a record of it is appended, its updates wait in its outbox and answer kAccepted, it
  /// has nothing to read, and its life is its owner's (kInvalidArgument for status, tags, finish).
  Result<RunRef> parent(Run& run);
  Result<RunRef> root(Run& run);
  /// Takes up an unfinished run, of another session or of this one.
  Result<RunRef> resume(std::string_view id, Durability durability = Durability::kDefault);
  /// A handle to any run of the store, for reading or, if it is unfinished, writing. kNoSuchRun.
  Result<RunRef> find(std::string_view id);
  /// `error` says why, for FAILED and the like: at most kErrorBytesMax bytes, may be empty.
  Status finish(Run& run, RunStatus status, Durability durability = Durability::kDefault, std::string_view error = {});
  Status set_status(Run& run, RunStatus status, Durability durability = Durability::kDefault);
  Status set_tags(Run& run, std::vector<std::string> tags, Durability durability = Durability::kDefault);
  Status erase(std::string_view id, Durability durability = Durability::kDefault);
  /// Puts a run into the store as `record` has it: status, times, sequence and all, by one log record. Nobody works on
  /// it: an unfinished one is as if its process had ended. Creation LSN and session are given anew. `replace`: one of
  /// that id gives way, at once, and its handles get kErased; else kExists. Other errors: those of start().
  Status import_run(RunRecord record, bool replace, Durability durability = Durability::kDefault);
  /// Cost: of a copy of the document, if it is wanted.
  RunView view(Run& run, bool with_document = true);
  /// A page of the runs that `query` asks for, in its order, and the cursor of the next page; "" when this is the last.
  /// If `visit` returns false the cursor continues behind the run that it got. It may call the store.
  /// Cost: of the index entries that are looked at (tables_select.cc), and a look at each run in memory.
  Result<std::string> list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                           bool with_documents = true);
  /// All runs, in id order.
  Status each(const FunctionRef<bool(const RunView&)>& visit, bool with_documents = true);

  // --- operations ---
  /// `epoch`, if given, gets the flush epoch that covers this update (wait_durable).
  Status apply(Run& run, const Operation& op, Outcome& outcome, Durability durability = Durability::kDefault,
               uint64_t* epoch = nullptr);
  /// The hot updates: true when the operation was applied. They take the short way only: class `process`, a key of the
  /// top level that was changed since the last flush, a value that needs no more room. False: nothing happened; apply()
  /// does it, or says what is wrong. A `place`, if given, remembers where the key stands.
  bool try_set_double(Run& run, std::string_view key, double v, CellPlace* place = nullptr);
  bool try_set_int(Run& run, std::string_view key, int64_t v, CellPlace* place = nullptr);
  bool try_set_bool(Run& run, std::string_view key, bool v);
  bool try_set_string(Run& run, std::string_view key, std::string_view v);
  /// The whole document, if it was replaced by one of the same keys and types since the last flush.
  bool try_replace(Run& run, std::string_view msgpack);
  bool try_increment(Run& run, std::string_view key, const Value& n, CellPlace* place = nullptr);
  /// The flush epoch now: what was updated before is covered by it.
  [[nodiscard]] uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

  /// All or none, also after any crash. Several runs: one log append; one run: one staging write.
  /// Unapplied operations and errors fail the whole; `failed`, if given, gets the position.
  struct RunOperation {
    Run* run;
    Operation op;
  };
  Status transact(const std::vector<RunOperation>& operations, Durability durability = Durability::kDefault,
                  size_t* failed = nullptr);

  // --- reading: never waits for the disk ---
  /// Calls `read` with the value under the run's lock. kNotFound.
  Status get(Run& run, std::string_view key, const FunctionRef<void(const Value&)>& read);
  /// A number as double, without allocation. kNotFound, kTypeMismatch.
  /// The hot reads of a number of the top level that needs no conversion but from an integer: false is for get().
  bool try_get_double(Run& run, std::string_view key, double& v);
  bool try_get_int(Run& run, std::string_view key, int64_t& v);
  Status current(Run& run, const FunctionRef<void(const Document&, uint64_t sequence)>& read);

  // --- durability ---
  /// Everything updated before the call is durable.
  Status barrier();
  /// The updates of this epoch and before are durable. Flushes if nobody does.
  Status wait_durable(uint64_t epoch, int64_t deadline_ms);
  [[nodiscard]] uint64_t durable_epoch() const { return durable_epoch_.load(std::memory_order_acquire); }

  // --- work ---
  /// Does what is due: flush, checkpoint, spare segment, next staging file. Stops between parts once `budget_us` is
  /// used up (0: no limit).
  Status step(int64_t budget_us);
  /// monotonic_ms at which the next step is due.
  int64_t next_deadline();
  /// A timerfd that becomes readable when a step is due; re-armed by step().
  int wait_fd();

  // --- upstream (sync/PROTOCOL.md) ---
  /// From now on changes wait for an upstream and are sent to it; all runs are sent first. Kept in the store: the next
  /// open attaches by itself what was attached; call it again for other options. With another name, which may be
  /// another upstream, all runs are sent once more.
  /// The name is kept and shown: URLs in it lose user, password and query.
  Status attach_upstream(const std::string& name, const sync::SenderOptions& options);
  /// The same, with what `change` makes of the options that it has; those of its first attach since open are the
  /// defaults.
  Status attach_upstream_with(std::string name, const FunctionRef<void(sync::SenderOptions&)>& change);
  /// The way to the upstream that was named last, for whoever carries messages the next time. Durable as attach.
  Status remember_way(const sync::Way& way);
  /// Nothing is sent until it is attached again. Changes go on waiting, and what is in flight stays: it may have
  /// arrived.
  Status detach_upstream();
  [[nodiscard]] bool has_upstream() const { return has_upstream_.load(std::memory_order_relaxed); }
  /// The next message for the upstream; empty: nothing now, ask again at `due_ms` (monotonic_ms), or after feed.
  /// Only what is durable is sent. Cost: of a checkpoint of what the log holds, and one sync.
  Status sync_next(std::string& message, int64_t* due_ms = nullptr);
  /// The upstream's answer to it, or why there is none: then the same message comes again, later.
  Status sync_feed(std::string_view answer);
  Status sync_failed(sync::Failure failure, const std::string& text, int64_t retry_after_ms = 0);
  enum class SyncControl : uint8_t { kHurry, kPause, kResume };
  Status sync_control(SyncControl what);
  /// After a copy or a move (sync::Halt): which of them it was. `dropped`: changes of runs owned elsewhere that the
  /// other store sends.
  Status resolve_copy(bool moved, uint64_t* dropped = nullptr);
  /// Those of ids behind `after`, in the order of ids.
  Status dead_letters(size_t most, std::vector<std::pair<std::string, sync::DeadLetter>>& letters,
                      const std::string& after = {});
  Status release_dead(const std::string& id, sync::Outbox::Release how);
  struct SyncState {
    sync::SenderState sender;
    sync::Outbox::Waiting waiting;
    uint32_t in_flight_entries = 0;
    size_t in_flight_bytes = 0;
    uint64_t not_folded = 0;  // log records that no batch can have yet
    uint64_t not_logged = 0;  // runs with changes that are not in the log yet
    bool under_way = false, paused = false, all_acknowledged = false;
    bool over_unsynced = false;  // SenderOptions::unsynced_*: new runs are refused
    uint64_t dropped_runs = 0;   // by retention, before the upstream had all of them; since open
    uint64_t failures = 0;
    std::string last_error;
    sync::Failure last_failure = sync::Failure::kTransient;
    int64_t now_ms = 0, next_ms = 0;
  };
  Status sync_state(SyncState& state);
  struct RunSyncState {
    sync::Outbox::OfRun outbox;
    uint64_t sequence = 0;  // now
    bool all_acknowledged = false;
  };
  Status sync_state(std::string_view id, RunSyncState& state);
  /// Everything updated before the call is acknowledged by the upstream. Somebody must drive the transport. INT64_MAX:
  /// no limit. kTimeout.
  Status wait_synced(int64_t deadline_ms);
  /// Asks the upstream for the run's document, with the next messages: a run owned elsewhere can be read then; one of
  /// this store takes what others did to it upstream. Never backwards.
  Status refresh(std::string_view id);
  /// Applies a batch of another store and its stream's cursor, all at once and durably (sync/receiver.h).
  Status receive(const sync::Batch& batch, const std::function<std::vector<Received::Cursor>()>& cursors,
                 std::vector<sync::Verdict>& verdicts, size_t& limit);
  Status documents(const sync::Question& question, sync::Documents& documents);
  /// What deadlines of this store are in.
  [[nodiscard]] int64_t monotonic_ms() const { return now_ms(); }
  /// As the tables have it.
  Result<std::optional<std::string>> stored_cursor(std::string_view key);

  // --- watching ---
  /// Changes when what was acknowledged before an open may be lost.
  [[nodiscard]] uint64_t incarnation() const { return incarnation_; }
  struct Looked {
    uint64_t lsn = 0;  // what came up to here was seen
    bool all = true;   // false: a run that changed since may be in the tables only
  };
  /// Calls visit(run) for each run in memory (or `only` this one) of which the log holds something above `since`, or
  /// will: its lock is held. A look at an idle store costs two loads and one mutex.
  Looked look(uint64_t since, std::string_view only, const FunctionRef<void(const Run&)>& visit);
  /// A run without loading it. Nothing: there is none; an erased one may come with `erased`.
  Result<std::optional<RunView>> peek(std::string_view id, bool with_document);
  void add_listener(std::shared_ptr<StepListener> listener);
  void remove_listener(const StepListener* listener);
  /// Null: it is off.
  [[nodiscard]] History* history() const { return history_.get(); }

  /// Folds the durable log into LMDB and recycles segments.
  Status checkpoint();

  StoreStats stats();
  [[nodiscard]] const StoreOptions& options() const { return options_; }
  [[nodiscard]] const std::array<uint8_t, 16>& store_id() const { return identity_.store_id; }
  [[nodiscard]] uint64_t session() const { return session_; }
  /// This process is a forked child of the one that opened the store.
  [[nodiscard]] bool forked() const { return engine::forked(fork_word_); }

 private:
  Store() = default;

  // store_open.cc
  Status open_files();
  Status recover();
  Status fold_recovered(class Replay& replay);
  Status note_mended();
  Status check_born();
  /// Behind `applied`, at which the tables are.
  [[nodiscard]] bool log_goes_on(uint64_t applied) const;
  Status clear_unborn();
  Status recover_staged(const StagingScan& scan, class Replay& replay, std::vector<wal::RecoveryRecord>& out);
  Status find_staging(bool copied, bool clean, StagingScan& scan);
  Status begin_staging();
  Status make_staging(const StagingPlace& place);
  Status start_background();
  void step_in_background();
  void stop_background();

  // store_update.cc: all with the run's lock held
  [[nodiscard, gnu::cold]] Status refuse(Code code) const;
  Status check_gate(Run& run, bool gives_back = false);
  void latch_gate();
  template <class Read>
  bool try_get(Run& run, std::string_view key, Read&& read);
  [[nodiscard]] bool is_hot(const Run& run) const;
  bool stage_changed(Run& run, uint64_t changed);
  template <class Change>
  bool try_update(Run& run, std::string_view key, CellPlace* place, Change&& change);
  Status apply_locked(Run& run, const Operation& op, Outcome& outcome, bool direct, uint64_t* lsn);
  bool stage(Run& run, int entry);
  [[gnu::cold]] Status append_direct(Run& run, const Operation& op, Outcome& outcome, uint64_t* lsn);

  // store_staging.cc
  Status leave_staging();
  [[nodiscard]] bool stages() const { return staging_ != nullptr && !(guard_ != nullptr && guard_->hit()); }
  /// What the gate says to a call that does not go through staging.
  [[nodiscard]] Code gate() const {
    const int32_t gate = gate_.load(std::memory_order_relaxed);
    return gate == kStagingFailed ? Code::kOk : static_cast<Code>(gate);
  }

  // store_seal.cc: with the run's lock held
  void detach(Run& run);
  Status write_detached(Run& run);
  Status seal(Run& run);
  /// Appends the detached diff (if it is not yet written), then `records`; on success frees the detached slots.
  Status append_for(Run& run, const std::vector<std::pair<LogType, std::string>>& records, uint64_t* lsn);
  void free_detached(Run& run);
  void mark_dirty(Run& run);
  void mark_clean(Run& run);

  // store_transact.cc: with the runs' locks held
  Status apply_all(LiveDocument& live, const std::vector<RunOperation>& operations, const uint32_t* which, size_t count,
                   uint64_t& changes, size_t* failed) const;
  Status transact_operation(Run& run, const Operation& op, uint64_t* lsn, size_t* failed);
  Status transact_one(Run& run, const std::vector<RunOperation>& operations, bool power, uint64_t* lsn, size_t* failed);
  Status transact_several(const std::vector<Run*>& runs, const std::vector<RunOperation>& operations, uint64_t* lsn,
                          size_t* failed);

  // store_flush.cc
  Status flush(bool sync);
  Status flush_up_to(uint64_t epoch);
  Status flush_if_open(bool sync);  // with flush_mutex_ held
  Status flush_locked(bool sync);   // likewise
  Status write_batch(std::vector<std::pair<RunRef, std::shared_ptr<Detached>>>& batch);
  Status append_failed(Status status);
  [[gnu::cold]] Status synced(uint64_t lsn);

  // store_watch.cc
  struct Listening {
    std::shared_ptr<StepListener> listener;
    int64_t due_ms = 0;     // not before
    uint64_t seen_lsn = 0;  // of the log at its last turn
  };
  [[nodiscard]] std::vector<std::shared_ptr<StepListener>> listeners_due(int64_t now);
  [[nodiscard]] int64_t listeners_deadline();
  void run_listeners(const std::vector<std::shared_ptr<StepListener>>& due);

  // store_step.cc; the first six with step_mutex_ held
  struct Due;
  Status step_locked(int64_t budget_us, std::vector<std::shared_ptr<StepListener>>& listeners);
  Due flush_due(int64_t now, bool sync_for_checkpoint);
  [[nodiscard]] int64_t flush_deadline();
  [[nodiscard]] int64_t other_deadline() const;
  void arm_timer();
  Status checkpoint_due(int64_t now);
  void set_timer(int64_t at) const;
  void wake_for_flush();  // something became dirty, or was appended
  [[nodiscard]] bool log_has_grown() const;
  [[nodiscard]] bool too_much_for_full_disk() const;

  // store_foreign.cc
  Result<RunRef> related(Run& run, std::string_view id);
  Status fold_for_owner(const Run& run, const std::vector<RunOperation>& operations, Diff& diff, Diff& outbox,
                        size_t* failed) const;
  void note_outbox(Run& run, Diff all, const Diff& added);
  Status room_behind_letter(const std::string& id) const;
  Status append_foreign(Run& run, const std::vector<RunOperation>& operations, uint64_t* lsn, size_t* failed);
  // store_claim.cc
  Result<RunRef> claim(RunRecord& record, Durability durability);
  Status claim_locked(Run& run, RunRecord& record, uint64_t& lsn);
  static Status owned_by_another(const Run& run);
  // store_receive.cc
  struct Incoming;
  Status receive_settled(const sync::Batch& batch, const std::function<std::vector<Received::Cursor>()>& cursors,
                         std::vector<sync::Verdict>& verdicts, size_t& limit, bool settled, uint64_t& lsn);
  Status put_on_top_of_start(Incoming& in) const;
  Status plan_start(const sync::Batch& batch, Incoming& in, Run* old);
  Status plan_change(Incoming& in, const Run& run);
  Status plan_waiting(Incoming& in, const Run* run);
  Status plan_incoming(const sync::Batch& batch, Incoming& in, std::optional<sync::VerdictCode>& verdict);
  void append_parts(const Incoming& in, std::string& payload) const;
  void carry_in(Incoming& in, uint64_t lsn);
  Status note_other_writer(Run& run);
  static Code gate_of(const RunRecord& record);

  // store_sync.cc
  Status recover_sync();
  Status wait_acknowledged(uint64_t lsn, std::span<const std::string> ids);
  Status judge_unsynced();
  void tell_upstream(const sync::Sender& sender);
  [[nodiscard]] std::string why_not_upstream();  // with checkpoint_mutex_ held
  void make_sender(const sync::SenderOptions& options);
  Status with_sender(const FunctionRef<Status(sync::Sender&)>& body);
  Status with_outbox(const FunctionRef<Status()>& body);
  void outbox_taken(const std::string& id, uint64_t last);
  void outbox_returned(const std::string& id);
  Result<RunRecord> folded_record(Run& run);
  Status rebase(const sync::Documents::Run& upstream, bool newer);
  Status fold_for_sync();
  Status land_stranded();
  Result<bool> take_document(const sync::Documents::Run& run);
  void refreshed(const sync::Documents::Run& upstream);

  // store_retain.cc; the first two with step_mutex_ held
  Status retain(int64_t now, const FunctionRef<bool()>& used_up);
  [[nodiscard]] int64_t retain_deadline() const;
  [[nodiscard]] uint64_t age_ms(int64_t finished_us) const;
  [[nodiscard]] bool over_retention(int64_t finished_us) const;
  bool may_forget(const Run& run);
  uint64_t acknowledged_upstream(const std::string& id, bool& drops);

  // store_runs.cc
  Result<RunRef> start_record(RunRecord record, Durability durability);
  Status check_startable(const Run& old) const;
  Status resolve_root(RunRecord& record);
  [[nodiscard]] std::shared_ptr<Tables> tables() const;
  Result<RunRef> load_run(std::string_view id);
  RunRef make_run(RunRecord record);
  Status check_metadata(Document& document) const;
  static Status check_depth(const Document& document);
  void log_left_out(const std::string& id, const std::vector<std::string>& keys) const;
  Result<RunRef> append_start(RunRecord record, Run* old, std::unique_lock<std::mutex>& start_guard,
                              Durability durability);
  static RunRecord copy_locked(const Run& run, bool with_document);  // with the run's lock held
  static Status check_owned(const Run& run);
  Status append_change(Run& run, RunChange change, uint64_t* lsn, bool forgets = false);
  Status change_run(Run& run, RunChange change, Durability durability);
  /// kUnchanged if `only_if`, called with the run's lock held, says no.
  using EraseIf = std::function<bool(const Run&)>;
  Status erase_if(std::string_view id, Durability durability, const EraseIf& only_if);
  Status erase_once(std::string_view id, Durability durability, const EraseIf& only_if);
  Status mark_crashed_runs();
  void evict(uint64_t applied);
  void evict_many();  // with step_mutex_ held
  [[nodiscard]] bool eviction_due() const;
  [[nodiscard]] bool many_wait_for_checkpoint() const;
  void wake_for_eviction(size_t hot);
  Status checkpoint_locked();         // with checkpoint_mutex_ held
  Status fold_log(uint64_t durable);  // likewise, up to that LSN
  Status fold_in_parts();             // likewise
  Status make_room();

  [[nodiscard]] int64_t now_us() const { return options_.hooks.wall_us(options_.hooks.context); }
  [[nodiscard]] int64_t now_ms() const { return options_.hooks.monotonic_ms(options_.hooks.context); }
  void log(LogLevel level, Code code, const std::string& message) const;
  enum class Grows : uint8_t { kOther, kTables, kLogForErase };
  Status may_grow(uint64_t bytes, Grows what);
  [[nodiscard]] bool may_hold_reserve() const;
  bool use_reserve(Reserve::Part part);
  void owe_reserve();
  Status hold_reserve(uint64_t others_bytes);
  /// `once`, which gives space back in the end: again with room from a checkpoint, then with the reserve.
  Status give_back_space(const FunctionRef<Status()>& once);
  [[nodiscard]] uint64_t budgeted_bytes() const;
  [[nodiscard]] Durability class_of(Durability d) const { return d == Durability::kDefault ? options_.durability : d; }
  [[nodiscard]] bool wants_power(Durability d) const { return class_of(d) >= Durability::kPower; }
  /// Before anything is done: is there an upstream, if the class needs one?
  Status can_promise(Durability d) const;
  /// Power: `lsn` is on the disk. Upstream: and what these runs were at `lsn` is acknowledged. No lock is held.
  Status keep_promise(Durability d, uint64_t lsn, std::span<const std::string> ids);

  // Constant after open.
  ForkWord fork_word_ = nullptr;
  StoreOptions options_;
  StagingIdentity identity_;
  uint64_t session_ = 0;
  uint64_t incarnation_ = 0;
  bool copied_ = false;
  bool opening_ = true;
  std::unique_ptr<wal::Files> own_files_;
  wal::Files* files_ = nullptr;
  std::unique_ptr<StoreLock> lock_;
  std::optional<Reserve> reserve_;
  std::shared_ptr<Tables> tables_;  // given up by close(), with table_mutex_ held
  std::unique_ptr<wal::Writer> writer_;
  std::unique_ptr<SigbusGuard> guard_;  // null: not asked for
  std::unique_ptr<Staging> staging_;    // null: every operation appends
  // Of the open: what STAGING says, and the directory outside that it names.
  std::optional<StagingRecord> staging_record_;
  std::optional<StagingPlace> old_staging_;

  static constexpr size_t kOutboxPerLimit = 4;  // what waits for an owner is at most this many times a document's limit

  static constexpr int32_t kStagingFailed = -1;  // of gate_: set by guard_, closes it for the hot path alone
  // Code: kOk, kNoSpace, kLatched, kClosed; or kStagingFailed. Read by every update.
  alignas(64) std::atomic<int32_t> gate_{0};
  alignas(64) std::atomic<uint64_t> epoch_{1};
  std::atomic<uint64_t> durable_epoch_{0};

  mutable std::mutex table_mutex_;
  // Guarded by table_mutex_.
  std::unordered_map<std::string, RunRef> runs_;
  uint64_t evictions_ = 0;    // grows with each eviction of any run
  uint64_t evicted_lsn_ = 0;  // what was evicted, or never loaded, has nothing in the log above
  uint64_t next_run_number_ = 1;
  // Written with table_mutex_ held, by evictions.
  std::atomic<size_t> evict_at_{kHotRunsMin};    // with so many runs in memory the next one is due
  std::atomic<size_t> runs_only_in_log_{0};      // runs that the last one would have taken, but for the checkpoint
  std::atomic<bool> eviction_noted_{false};      // the timer was set for it
  static constexpr size_t kHotRunsMin = 1024;    // fewer in memory are not worth an eviction of their own
  static constexpr size_t kOnlyInLogMax = 4096;  // more are worth a checkpoint of their own: 1 KiB each, and more

  std::mutex start_mutex_;  // one start or erase at a time; taken before any run lock

  std::mutex dirty_mutex_;
  std::vector<RunRef> dirty_;  // Guarded by dirty_mutex_.

  // One use of the sender at a time; taken before checkpoint_mutex_. A step only tries it (retention), and never waits.
  std::mutex sync_mutex_;
  // Guarded by sync_mutex_ and checkpoint_mutex_.
  bool rebased_ = false;  // by the answer that is carried out now
  std::unique_ptr<sync::Outbox> outbox_;
  std::unique_ptr<sync::Sender> sender_;  // null: no upstream
  enum class UpstreamTold : uint8_t { kNothing, kAnswers, kHalted, kFailed };
  UpstreamTold upstream_told_ = UpstreamTold::kNothing;  // in the log
  sync::Failure upstream_told_failure_ = sync::Failure::kTransient;
  std::atomic<bool> ships_{false};         // outbox rows are kept for all runs
  std::atomic<bool> has_upstream_{false};  // and are sent
  std::atomic<bool> over_unsynced_{false};
  std::atomic<uint64_t> dropped_runs_{0};
  std::mutex synced_mutex_;  // for waiting alone
  std::condition_variable synced_changed_;

  std::mutex checkpoint_mutex_;  // one checkpoint at a time
  std::mutex flush_mutex_;       // one flush at a time; taken before any run lock
  std::mutex step_mutex_;        // one step at a time; taken before flush_mutex_
  // Guarded by step_mutex_.
  int64_t crash_marks_due_ms_ = 0;
  int64_t last_flush_ms_ = 0;
  int64_t last_append_ms_ = 0;
  uint64_t last_append_lsn_ = 0;
  bool idle_noted_ = true;
  bool crashed_marked_ = false;
  std::string crashed_marked_to_;  // run ids up to here were looked at
  int64_t retry_ms_ = 0;
  bool more_ = false;           // a step stopped before all that was due was done
  int64_t ahead_retry_ms_ = 0;  // room ahead (spare segment, staging file) is not tried again before
  int64_t ahead_backoff_ms_ = 0;
  int64_t checkpoint_retry_ms_ = 0;
  int64_t checkpoint_backoff_ms_ = 0;
  std::deque<RunPosition> retain_queue_;  // finished runs, oldest first, as of a look some steps ago at most
  std::string retain_cursor_;             // behind them; "": nothing is
  bool retain_waits_ = false;             // for runs that may not be erased yet
  int64_t retain_due_ms_ = 0;             // the next run is old enough
  int64_t retain_retry_ms_ = 0;           // nothing is tried before
  int64_t retain_backoff_ms_ = 0;
  static constexpr int64_t kStepRetryMs = 200;  // after a flush that failed

  std::mutex listeners_mutex_;        // a leaf
  std::vector<Listening> listeners_;  // Guarded by listeners_mutex_.
  std::shared_ptr<History> history_;

  std::thread background_;
  std::atomic<int> wait_fd_{-1};
  std::atomic<bool> no_flush_due_{false};      // what becomes dirty first sets the timer
  std::atomic<bool> no_listener_due_{false};   // likewise
  std::atomic<uint32_t> listen_ms_{0};         // shortest interval of the listeners; 0: there are none
  std::atomic<int64_t> timer_ms_{0};           // what the timer is set to
  std::atomic<bool> growth_noted_{false};      // the timer was set because the log has grown
  std::atomic<uint64_t> checkpoint_bytes_{0};  // log bytes written at the last checkpoint; written by step
  int stop_fd_ = -1;

  std::atomic<uint64_t> overflow_appends_{0};
  std::atomic<int> erasing_{0};            // calls that give space back in the end and found none; see give_back_space
  std::atomic<bool> reserve_owed_{false};  // the disk was full, and the reserve is not whole again: no updates
  std::atomic<uint64_t> finished_{0};      // runs; counted only with retain_finished_max
  std::mutex stats_mutex_;
  StoreStats stats_;  // Guarded by stats_mutex_: the counters that have no other home.
};

}  // namespace cairn::engine
