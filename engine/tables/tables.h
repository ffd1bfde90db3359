// The materialised state: run records and their indexes in LMDB. TABLES.md has the layout, the pitfalls of LMDB 0.9.24
// and what is done about each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/records/note.h"
#include "engine/records/run_query.h"
#include "engine/records/run_record.h"
#include "engine/tables/damage.h"
#include "engine/tables/life.h"
#include "engine/tables/tables_txn.h"
#include "wal/function_ref.h"

namespace cairn::engine {

/// What to tell where open() answers kNotFound for a store.
inline constexpr const char* kNoTables =
    "data/ is missing: bring it back, or let `cairn repair` make what the log still gives";

struct TableStats {
  uint64_t runs = 0;
  uint64_t applied_lsn = 0;
  uint64_t map_bytes = 0;
  uint64_t used_bytes = 0;  // of the map: pages that are in use
  uint64_t file_bytes = 0;  // on the disk: data.mdb is sparse up to map_bytes
};

class Tables {
 public:
  struct Options {
    std::string directory;  // absolute path of the store; the environment is <directory>/data
    std::string
        store_id;  // 16 bytes; stored in meta, checked at open (another store's: kCorrupt). Empty, read-only: any store
    bool read_only = false;
    uint64_t map_bytes = 16u << 20;  // grows between transactions; MAP_FULL never reaches the caller
    /// Called by write() and sync() before the map grows to `bytes` in all; kNoSpace refuses. May be empty.
    std::function<Status(uint64_t bytes)> may_grow;
    /// Called at an open for writing that finds a torn meta page: does the log continue after `applied_lsn`? If so, the
    /// tables are used as the other meta page has them. May be empty: kCorrupt.
    std::function<bool(uint64_t applied_lsn)> log_goes_on;
    bool any_file_system = false;  // do not refuse network file systems
    bool any_owner = false;        // do not refuse another user's files; for checks in a child process
  };
  /// Read-write: removes data.tmp/, creates data/ if it is absent (born in data.tmp/, synced, renamed, parents synced).
  /// Read-only: shares the environment if this process has it open, and keeps it open after the owner closed.
  /// Before LMDB maps the file its meta pages, its length and the upper levels of its trees are checked.
  /// Errors: kNotFound (read-only and no data/), kCorrupt (also a truncated file, or another store's), kVersion,
  /// kUnsafe (another user's files, links, writable for others, network file system), kReadOnly, kNoSpace, kIo, kBusy
  /// (this process has it open already). Threads: all calls from any; writes run one at a time.
  static Result<std::unique_ptr<Tables>> open(const Options& options);
  ~Tables();

  [[nodiscard]] uint64_t applied_lsn() const;
  [[nodiscard]] uint64_t session() const;  // of the last read-write open
  /// As the last commit has it.
  Result<Life> life() const;

  /// Reads see the last commit. kCorrupt when the value's checksum or encoding is bad.
  Result<std::optional<RunRecord>> find(std::string_view id);
  /// With the outbox row of any run: for callers that write the record back.
  Result<std::optional<RunRecord>> find_for_fold(std::string_view id);
  /// All runs in id order from `after` (exclusive; "" for the start); the visitor returns false to stop.
  /// Reads in portions and calls the visitor between them: the visitor may be slow, may call this object, and sees
  /// later commits. For one consistent view use a snapshot. To continue after a damaged run, pass its id as `after`.
  Status each(std::string_view after, const FunctionRef<bool(const RunRecord&)>& visit);
  /// As each(), but a run whose stored document `may_fit` refuses is passed over, at a fraction of the cost. `may_fit`
  /// gets the document as msgpack and must not call this object.
  Status each_where(std::string_view after, const FunctionRef<bool(std::string_view document)>& may_fit,
                    const FunctionRef<bool(const RunRecord&)>& visit);

  /// A consistent read snapshot, for several finds and walks. Do not keep it: while it lives, none of its pages is
  /// reused and the map cannot grow. A write that has to grow the map ends snapshots that are idle and older than 2 s
  /// (their calls then return kAgain); if one is busy for 5 s, that write returns kAgain. Threads: one at a time.
  class Snapshot {
   public:
    virtual ~Snapshot() = default;
    [[nodiscard]] virtual uint64_t applied_lsn() const = 0;
    virtual Result<Life> life() = 0;
    virtual Result<std::optional<RunRecord>> find(std::string_view id) = 0;
    virtual Result<RunTexts> find_texts(std::string_view id) = 0;
    /// All notes but those of requests.
    virtual Status each_note(const FunctionRef<void(Note&&)>& visit) = 0;
    /// Without document and outbox, at a fraction of the cost.
    virtual Result<std::optional<RunRecord>> find_head(std::string_view id) = 0;
    virtual Status each(std::string_view after, const FunctionRef<bool(const RunRecord&)>& visit) = 0;
    /// Offers `page` the runs that it may need, except those that are `hidden`, by the most selective index (parent,
    /// task, status, time). They come without documents unless the text filter needs them. kCorrupt also if an index
    /// does not match the records.
    virtual Status select(RunPage& page, const FunctionRef<bool(std::string_view id)>& hidden) = 0;
  };
  Result<std::unique_ptr<Snapshot>> snapshot();
  /// The texts of a run.
  Result<RunTexts> find_texts(std::string_view id);
  /// A note, also one that has ended.
  Result<std::optional<Note>> find_note(NoteKind kind, std::string_view name);
  /// The runs of a batch, by their index in it.
  Result<std::vector<std::pair<uint32_t, std::string>>> runs_of_batch(std::string_view batch);
  /// Erases notes that have ended, and the oldest requests beyond kRequestNotesMax; returns how many of those had not
  /// ended. Errors as write().
  Result<uint64_t> expire_notes(int64_t now_us);
  /// How many runs have one of these statuses (status_bit). Cost: a walk over their index entries.
  Result<uint64_t> count(uint32_t statuses);

  struct Change {
    std::string id;
    std::optional<RunRecord> record;  // nullopt: erase the run and its index entries
    /// Of an erased run of this store: kept until the upstream knows. There may be a record of a foreign run, too.
    std::optional<Tombstone> tombstone = std::nullopt;
  };
  /// The cursor of a received stream (sync/PROTOCOL.md), from the log: written together with applied_lsn.
  struct CursorChange {
    std::string key;
    std::string payload;
  };
  /// Writes the changes, erases first, sorted by id, with their index entries, in transactions of bounded size; the
  /// last one also sets applied_lsn (and life if given), cursors and notes. A run's record and indexes change in one transaction. Not
  /// synced (MDB_NOMETASYNC): see sync(). On any error the transaction is aborted and earlier parts stay: the caller
  /// repeats the whole call. applied_lsn never falls: a lower one leaves it. Errors: kNoSpace (also an EIO on a full
  /// disk; works again when space returns), kIo (then kLatched until all handles on this environment are closed and it
  /// is opened again), kCorrupt, kAgain (a snapshot blocks growth), kInvalidArgument, kTooLarge and kInvalidUtf8 (a
  /// record that check_run_record refuses; nothing changed).
  Status write(std::vector<Change> changes, uint64_t applied_lsn, const std::optional<Life>& life = std::nullopt,
               const std::vector<CursorChange>& cursors = {}, const std::vector<Note>& notes = {});
  /// Runs `body` in one write transaction, which is committed if it returns kOk. If the map had to grow, `body` runs
  /// again from its start. `need_bytes`: roughly what it writes. Errors as write().
  Status transact(uint64_t need_bytes, const FunctionRef<Status(TablesTxn&)>& body);
  /// Runs `body` in a read transaction; put and erase return kReadOnly.
  Status look(const FunctionRef<Status(TablesTxn&)>& body);
  /// There is an upstream, or not: whether rows of the outbox get a place in the order of sending from now on.
  void ship(bool on);
  /// From now on every transaction keeps meta `unsent` exact: how many runs of this store, with ids after `after`, have
  /// no row in the outbox. nullopt: it is not updated. Not while another thread writes.
  void count_unsent(std::optional<std::string> after);
  /// mdb_env_sync(1). Called before a WAL segment is recycled. Commits something first if nothing was committed since
  /// the open or since a failure, because the kernel reports a failed write-back only once. Errors: as write().
  Status sync();
  /// Clears reader slots of dead processes. At open, and every few seconds.
  Status check_readers();

  TableStats stats();
  /// Values that were looked up or walked over since the environment was opened.
  [[nodiscard]] uint64_t reads() const;
  /// Checks everything: pages, checksums, encodings, indexes against records both ways. One read transaction for the
  /// whole check. kCorrupt if anything was reported. Run it in a child process if the file may be damaged.
  Status verify(const FunctionRef<void(const TableDamage&)>& report);

 private:
  Tables();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads the documents that select() left out. kCorrupt.
using RunEntries = std::vector<RunPage::Entry>::iterator;
Status read_documents(Tables::Snapshot& snapshot, RunEntries first, RunEntries last);

/// Opens read-only and verifies in a forked child. A file that kills its reader then kills only the child, and that is
/// reported as damage. The child has 60 s of processor time and 120 s in all.
/// Errors: as open() and verify(); kBusy if this process has the environment open (verify() is for that); kTimeout.
/// Threads: forks, and the child takes locks and memory; glibc keeps its allocator usable there, but call it from a
/// process without other threads, such as a command-line tool, if the host replaces the allocator.
Status verify_in_child(const Tables::Options& options, std::vector<TableDamage>& out);

}  // namespace cairn::engine
