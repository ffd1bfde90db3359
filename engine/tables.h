// The materialised state: run records and their indexes in LMDB. The only file pair that includes lmdb.h is
// tables.cc's. The layout stands in TABLES.md. Pitfalls of LMDB 0.9.24 and what is done about each stand at the top of
// tables.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/run_record.h"

namespace cairn::engine {

struct TableDamage {
  std::string table;
  std::string key;
  std::string what;
};

struct TableStats {
  uint64_t runs = 0;
  uint64_t applied_lsn = 0;
  uint64_t map_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t file_bytes = 0;
};

class Tables {
 public:
  struct Options {
    std::string directory;  // absolute path of the store; the environment is <directory>/data
    std::string store_id;   // 16 bytes; stored in meta, checked at open (another store's: kCorrupt)
    bool read_only = false;
    uint64_t map_bytes = 16u << 20;                  // grows between transactions; MAP_FULL never reaches the caller
    std::function<Status(uint64_t bytes)> may_grow;  // asked before the map grows; kNoSpace refuses. May be empty.
  };
  /// Read-write: removes data.tmp/, creates data/ if it is absent (born in data.tmp/, synced, renamed, parents synced).
  /// Errors: kNotFound (read-only and no data/), kCorrupt, kNoSpace, kIo, kBusy (this process has it open already).
  static Result<std::unique_ptr<Tables>> open(const Options& options);
  ~Tables();

  [[nodiscard]] uint64_t applied_lsn() const;
  [[nodiscard]] uint64_t session() const;  // of the last read-write open

  /// Reads see the last commit. kCorrupt when the value's checksum or encoding is bad.
  Result<std::optional<RunRecord>> find(std::string_view id);
  /// All runs in id order from `after` (exclusive; "" for the start); the visitor returns false to stop.
  Status each(std::string_view after, const std::function<bool(const RunRecord&)>& visit);

  /// One consistent read snapshot: several finds and each over it. A reader ends within the call that uses it.
  class Snapshot {
   public:
    virtual ~Snapshot() = default;
    [[nodiscard]] virtual uint64_t applied_lsn() const = 0;
    virtual Result<std::optional<RunRecord>> find(std::string_view id) = 0;
    virtual Status each(std::string_view after, const std::function<bool(const RunRecord&)>& visit) = 0;
  };
  Result<std::unique_ptr<Snapshot>> snapshot();

  struct Change {
    std::string id;
    std::optional<RunRecord> record;  // nothing: erase the run and its index entries
  };
  /// Writes the changes, sorted by id, with their index entries, in transactions of bounded size; the last one also
  /// sets applied_lsn (and session if given). A run's record and indexes change in one transaction. Not synced
  /// (MDB_NOMETASYNC): see sync(). On any error the transaction is aborted and earlier parts stay: the caller repeats
  /// the whole call. Errors: kNoSpace (also an EIO on a full disk), kIo, kCorrupt.
  Status write(std::vector<Change> changes, uint64_t applied_lsn, std::optional<uint64_t> session = std::nullopt);
  /// mdb_env_sync(1). Before a WAL segment is recycled.
  Status sync();
  /// Clears reader slots of dead processes.
  Status check_readers();

  TableStats stats();
  /// Walks everything: checksums, encodings, indexes against records both ways. Run it in a child process where the
  /// file may be damaged.
  Status verify(const std::function<void(const TableDamage&)>& report);

 private:
  Tables();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::engine
