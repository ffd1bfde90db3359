// The store: an owner of parts (store/parts.h), and the calls on it. Changes go through the parts like this:
//   operation -> document and pending diff -> staging slot -> (seal) log -> (checkpoint) LMDB.
//
// Which locks come in which order, and what may be waited for under them: ARCHITECTURE.md, Locks.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/base/error_detail.h"
#include "engine/records/run_view.h"
#include "engine/store/options.h"
#include "engine/store/run.h"
#include "engine/store/run_change.h"
#include "engine/store/run_views.h"
#include "engine/store/run_writer.h"
#include "engine/store/stats.h"
#include "engine/store/step_listeners.h"
#include "wal/function_ref.h"

namespace cairn::engine {

class History;
class HomeStores;
class Intake;
struct StoreParts;
class Upstream;

class Store {
 public:
  /// Opens for writing. Errors: kBusy, kCorrupt, kVersion, kNotAStore, kUnsafe, kNoSpace, kIo, kReadOnly,
  /// kInvalidArgument; error_detail() says more.
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  ~Store();  // close(0) if it is still open

  /// Holds a part of the disk back where there is room, as step() does: for callers that make no steps.
  Status keep_room();

  /// Stops new calls, flushes, syncs, checkpoints, marks the log clean. kTimeout: the deadline passed; everything
  /// acknowledged is on disk as its class says.
  Status close(int64_t deadline_ms);

  // --- runs ---
  Result<RunRef> start(const StartOptions& options, Durability durability = Durability::kDefault);
  /// An id as start() makes it.
  [[nodiscard]] std::string new_run_id() const;
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
  /// Status, tags or delay, on a condition that is judged under the run's lock.
  Result<RunChanged> change(Run& run, const RunChangeRequest& request, Durability durability = Durability::kDefault);
  /// `notes` stand in the same log record.
  Status erase(std::string_view id, Durability durability = Durability::kDefault, const std::vector<Note>& notes = {});
  /// The same, if the run is at this sequence; else kUnchanged.
  Status erase_at(std::string_view id, uint64_t sequence, Durability durability, const std::vector<Note>& notes);
  /// Puts a run into the store as `record` has it: status, times, sequence and all, by one log record. Nobody works on
  /// it: an unfinished one is as if its process had ended. Creation LSN and session are new. `replace`: a run of
  /// that id is replaced at once, and its handles get kErased; else kExists. Other errors: those of start().
  Status import_run(RunRecord record, bool replace, Durability durability = Durability::kDefault);
  /// Cost: of a copy of the document, if it is wanted.
  RunView view(Run& run, bool with_document = true);
  /// A page of the runs that `query` asks for, in its order, and the cursor of the next page; "" when this is the last.
  /// If `visit` returns false the cursor continues after the run that it got. It may call the store.
  /// Cost: of the index entries that are looked at (tables/select.cc), and a look at each run in memory.
  Result<std::string> list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                           bool with_documents = true);
  /// All runs, in id order.
  Status each(const FunctionRef<bool(const RunView&)>& visit, bool with_documents = true);
  /// All runs that `may_fit`, in id order, with their documents, and some that it refuses. It gets a document as it is
  /// stored, as msgpack (document/stored_document.h reads from it), while a transaction reads: it must be short, and
  /// must not call the store.
  Status each_where(const FunctionRef<bool(std::string_view document)>& may_fit,
                    const FunctionRef<bool(const RunView&)>& visit);

  // --- operations ---
  /// `epoch`, if given, gets the flush epoch that covers this update (wait_durable).
  Status apply(Run& run, const Operation& op, Outcome& outcome, Durability durability = Durability::kDefault,
               uint64_t* epoch = nullptr);
  /// The hot updates: true when the operation was applied. They take the short way only: class `process`, a key of the
  /// top level that was changed since the last flush, a value that needs no more room. False: nothing happened; apply()
  /// does it, or says what is wrong. A `place`, if given, remembers where the key stands.
  bool try_set_double(Run& run, std::string_view key, double v, CellPlace* place = nullptr) {
    return run_writer_.try_set_double(run, key, v, place);
  }
  bool try_set_int(Run& run, std::string_view key, int64_t v, CellPlace* place = nullptr) {
    return run_writer_.try_set_int(run, key, v, place);
  }
  bool try_set_bool(Run& run, std::string_view key, bool v) { return run_writer_.try_set_bool(run, key, v); }
  bool try_set_string(Run& run, std::string_view key, std::string_view v) {
    return run_writer_.try_set_string(run, key, v);
  }
  /// The whole document, if it was replaced by one of the same keys and types since the last flush.
  bool try_replace(Run& run, std::string_view msgpack) { return run_writer_.try_replace(run, msgpack); }
  bool try_increment(Run& run, std::string_view key, const Value& n, CellPlace* place = nullptr) {
    return run_writer_.try_increment(run, key, n, place);
  }
  /// The flush epoch now: what was updated before is covered by it.
  [[nodiscard]] uint64_t epoch() const { return run_writer_.epoch().load(std::memory_order_acquire); }

  /// All or none, also after any crash. Several runs: one log append; one run: one staging write.
  /// Unapplied operations and errors fail the whole; `failed`, if given, gets the position.
  using RunOperation = engine::RunOperation;
  Status transact(const std::vector<RunOperation>& operations, Durability durability = Durability::kDefault,
                  size_t* failed = nullptr, const TransactOptions& how = {});

  // --- reading: never waits for the disk ---
  /// Calls `read` with the value under the run's lock. kNotFound.
  Status get(Run& run, std::string_view key, const FunctionRef<void(const Value&)>& read);
  /// The hot reads of a number of the top level that needs no conversion but from an integer: false is for get().
  bool try_get_double(Run& run, std::string_view key, double& v) { return run_writer_.try_get_double(run, key, v); }
  bool try_get_int(Run& run, std::string_view key, int64_t& v) { return run_writer_.try_get_int(run, key, v); }
  Status current(Run& run, const FunctionRef<void(const Document&, uint64_t sequence)>& read);

  /// The payload, the output and the like of a run. Cost: of a read of the tables.
  Result<RunTexts> texts(std::string_view id);

  // --- notes ---
  /// Writes notes alone.
  Status write_notes(const std::vector<Note>& notes, Durability durability = Durability::kDefault);
  /// Also one that has ended; nullopt: there is none.
  Result<std::optional<Note>> find_note(NoteKind kind, std::string_view name);
  /// The runs of a batch that are here, by their index in it.
  Result<std::vector<std::pair<uint32_t, std::string>>> runs_of_batch(std::string_view batch);

  // --- durability ---
  /// Everything updated before the call is durable.
  Status barrier();
  /// The updates of this epoch and before are durable. Flushes if no other thread does.
  Status wait_durable(uint64_t epoch, int64_t deadline_ms);
  [[nodiscard]] uint64_t durable_epoch() const;

  // --- work ---
  /// Does what is due: flush, checkpoint, spare segment, next staging file. Stops between parts once `budget_us` is
  /// used up (0: no limit).
  Status step(int64_t budget_us);
  /// monotonic_ms at which the next step is due.
  int64_t next_deadline();
  /// A timerfd that becomes readable when a step is due; re-armed by step().
  int wait_fd();

  // --- upstream ---
  /// Where changes are sent, and how (store/upstream.h).
  [[nodiscard]] Upstream& upstream();
  /// Asks the upstream for the run's document, with the next messages: a run owned elsewhere can be read then; one of
  /// this store takes what others did to it upstream. Never backwards.
  Status refresh(std::string_view id);
  /// Everything updated before the call is acknowledged by the upstream. Somebody must drive the transport. INT64_MAX:
  /// no limit. kTimeout.
  Status wait_synced(int64_t deadline_ms);
  /// What deadlines of this store are in.
  [[nodiscard]] int64_t monotonic_ms() const;
  /// What comes in from other stores.
  [[nodiscard]] Intake& intake();
  /// The stores that runs came from.
  [[nodiscard]] HomeStores& home_stores();

  // --- watching ---
  /// Changes when what was acknowledged before an open may be lost.
  [[nodiscard]] uint64_t incarnation() const;
  using Looked = RunViews::Looked;
  /// Calls visit(run) for each run in memory (or `only` this one) of which the log holds something above `since`, or
  /// will: its lock is held. A look at an idle store costs two loads and one mutex.
  Looked look(uint64_t since, std::string_view only, const FunctionRef<void(const Run&)>& visit);
  /// Looks a run up without bringing it into memory. nullopt: no such run; an erased one may come with `erased`.
  Result<std::optional<RunView>> peek(std::string_view id, bool with_document);
  using Positions = RunViews::Positions;
  /// How far the run's changes have come: memory, what survives this process, what survives a power loss. nullopt: no
  /// such run.
  Result<std::optional<Positions>> positions(std::string_view id);
  /// For one who follows all runs: from now on take_changed() gives those with a change, and `hint` is called after
  /// each (store/changed_runs.h says under which locks). An empty one ends it.
  void follow_changes(std::function<void()> hint);
  /// The runs that changed since the last call, and those whose last changes are not in the log yet.
  [[nodiscard]] std::vector<RunRef> take_changed();
  void add_listener(std::shared_ptr<StepListener> listener);
  void remove_listener(const StepListener* listener);
  /// Null: it is off.
  [[nodiscard]] History* history() const;

  /// Folds the durable log into LMDB and recycles segments.
  Status checkpoint();

  StoreStats stats();
  /// Whether updates are taken now: kNoSpace, kLatched, kClosed. Cost: of one load.
  [[nodiscard]] Status takes_updates() const { return run_writer_.gate().check(); }
  [[nodiscard]] const StoreOptions& options() const;
  [[nodiscard]] const std::array<uint8_t, 16>& store_id() const;
  [[nodiscard]] uint64_t session() const;
  /// This process is a forked child of the one that opened the store.
  [[nodiscard]] bool forked() const { return run_writer_.gate().forked(); }

 private:
  explicit Store(ForkWord fork_word);

  RunWriter run_writer_;  // first, and here: the hot path goes through no pointer
  const std::unique_ptr<StoreParts> parts_;
};

}  // namespace cairn::engine
