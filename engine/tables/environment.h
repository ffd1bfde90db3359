// One open LMDB environment of this process: opening and closing, transactions, growth of the map, and the meaning of
// LMDB's errors. Only tables/environment.cc, tables/open.cc and tables/birth.cc include lmdb.h. Private to this folder.
//
// Invariants:
// - a data directory (st_dev, st_ino) is open at most once in a process; while it is, this process does not open or
//   close data.mdb or lock.mdb by path (that would drop LMDB's fcntl locks);
// - the map is replaced only while no read transaction of this process lives (MapGate) and no write transaction either;
// - data.mdb is never shorter than the map of the process that writes (sparse), so last page < pages of the file holds
//   at every commit, and a shorter file is a truncated one;
// - sync() answers kOk only if a commit succeeded since the open and since the last failure: the kernel reports a
//   failed write-back once and marks the pages clean, so a later fdatasync alone proves nothing.
#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/tables/format.h"
#include "engine/tables/leaf_check.h"
#include "wal/descriptor.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

struct MDB_env;
struct MDB_txn;

namespace cairn::engine {

/// Admits either readers or one thread that remaps. While a thread waits to remap, new readers are kept out.
class MapGate {
 public:
  void enter();
  void leave();
  /// True: no reader is inside and none enters before open(). False: the time passed.
  bool close(std::chrono::milliseconds timeout);
  void open();

 private:
  Mutex mutex_{LockRank::kMapGate};
  CondVar changed_;
  int inside_ CAIRN_GUARDED_BY(mutex_) = 0;
  bool closed_ CAIRN_GUARDED_BY(mutex_) = false;
};

class Environment;

/// A read transaction. It ends with the object; bytes that it gave are invalid afterwards.
class ReadTxn {
 public:
  ReadTxn(ReadTxn&& other) noexcept;
  ReadTxn(const ReadTxn&) = delete;
  ReadTxn& operator=(const ReadTxn&) = delete;
  ReadTxn& operator=(ReadTxn&&) = delete;
  ~ReadTxn();
  [[nodiscard]] MDB_txn* get() const { return txn_; }
  [[nodiscard]] uint64_t number() const;

 private:
  friend class Environment;
  ReadTxn(Environment* environment, MDB_txn* txn) : environment_(environment), txn_(txn) {}
  Environment* environment_;
  MDB_txn* txn_;
};

/// A reader that keeps pages and the map for longer than a call. The environment can end it while it is not in use.
class LongReader {
 public:
  virtual ~LongReader() = default;
  /// Ends the transaction if it is older than `age` and not in use at this moment.
  virtual void end_if_idle(std::chrono::steady_clock::duration age) = 0;
};

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  struct Request {
    std::string directory;
    std::string store_id;
    bool read_only = false;
    bool any_owner = false;
    bool any_file_system = false;
    uint64_t map_bytes = 0;
    std::function<bool(uint64_t applied_lsn)> log_goes_on;  // null: a torn meta page is not mended
  };
  /// Opens the environment, or shares the one that this process has open. With read_only false the caller is the owner
  /// until disown().
  static Result<std::shared_ptr<Environment>> acquire(const Request& request);
  /// Runs `body`, during which `directory`'s environment cannot be opened. kBusy if this process has it open.
  static Status while_closed(const std::string& directory, const FunctionRef<void()>& body);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  void disown() CAIRN_EXCLUDES(registry_mutex_);

  Result<ReadTxn> read();
  void add(LongReader* reader);
  void remove(LongReader* reader);

  /// Makes write transactions run one at a time: held around update() and sync().
  Mutex& write_mutex() CAIRN_RETURN_CAPABILITY(write_mutex_) { return write_mutex_; }
  /// Runs `body` in a write transaction and commits it. If the map had to grow, `body` runs again from the start, so it
  /// must not keep state. `need_bytes`: roughly what it writes. kNoSpace if the map cannot grow and has too few free
  /// pages, not counting those kept for an erase; with `erases` those may be used, too.
  Status update(uint64_t need_bytes, bool erases, const std::function<Status(uint64_t bytes)>& may_grow,
                const FunctionRef<Status(MDB_txn*)>& body) CAIRN_REQUIRES(write_mutex_);
  Status sync(const std::function<Status(uint64_t bytes)>& may_grow) CAIRN_REQUIRES(write_mutex_);
  Result<int> check_readers();

  /// Values as stored, checksum verified (kCorrupt). Bytes live as long as the transaction, until its next write.
  /// In a read transaction also kCorrupt if the page where the key would be lost entries (tables/leaf_check.h).
  Result<std::optional<std::string_view>> get(MDB_txn* txn, Table t, std::string_view key) const;
  Status put(MDB_txn* txn, Table t, std::string_view key, std::string_view sealed) const;
  /// kOk also if the key is absent.
  Status erase(MDB_txn* txn, Table t, std::string_view key) const;
  /// Keys after `after` in order, with their values, checksums not verified. kCorrupt if all were walked and the tree
  /// counts more or fewer; in a read transaction also if a page where the walk begins, ends or passes lost entries.
  Status walk(MDB_txn* txn, Table t, std::string_view after,
              const FunctionRef<bool(std::string_view key, std::string_view value)>& visit) const;
  /// Keys before `before` (exclusive; "" for the end) in falling order.
  Status walk_back(MDB_txn* txn, Table t, std::string_view before,
                   const FunctionRef<bool(std::string_view key, std::string_view value)>& visit) const;
  /// As the tree counts them.
  Result<uint64_t> entries(MDB_txn* txn, Table t) const;
  [[nodiscard]] uint64_t reads() const { return reads_.load(std::memory_order_relaxed); }
  Result<uint64_t> used_bytes(MDB_txn* txn) const;
  [[nodiscard]] uint64_t map_bytes() const { return map_bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] int fd() const;

  /// Of the last commit: that of this process, or the current one if another process writes.
  [[nodiscard]] uint64_t applied_lsn();
  [[nodiscard]] uint64_t session();
  void note(uint64_t applied_lsn, uint64_t session);
  Result<uint64_t> meta_u64(MDB_txn* txn, std::string_view key) const;

 private:
  friend class ReadTxn;
  class Walk;
  Environment() = default;
  /// nullopt in a write transaction, whose pages are not in the file yet.
  Result<std::optional<LeafCheck>> leaf_check(MDB_txn* txn, Table t) const;
  Status check_walked(MDB_txn* txn, Table t, uint64_t counted, uint64_t walked) const;

  Status open(const Request& request, bool read_only_mount, bool born_now);
  Status repeat_meta_pages();
  Status make_later_tables();
  Status open_tables();
  Status readable() const;
  Status writable() const;
  Status grow(uint64_t need_bytes, const std::function<Status(uint64_t bytes)>& may_grow);
  /// Waits until no read transaction of this process lives, ending idle long readers; kAgain if some stay.
  Status close_gate();
  Status remap(uint64_t bytes);
  Status begin_write(MDB_txn*& txn);
  Status write_failed(int rc, uint64_t need_bytes, const char* what) CAIRN_REQUIRES(write_mutex_);

  // Constant after open
  MDB_env* env_ = nullptr;
  int pid_ = 0;
  bool writable_ = false;
  std::string directory_;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  unsigned handles_[kTables.size() + 1] = {};  // by Table

  std::atomic<bool> latched_{false};   // set by the thread that saw the failure, never cleared
  std::atomic<bool> map_lost_{false};  // likewise: the old map is gone and the new one could not be made
  std::atomic<uint64_t> map_bytes_{0};
  std::atomic<uint64_t> applied_lsn_{0};
  std::atomic<uint64_t> session_{0};

  MapGate gate_;
  Mutex write_mutex_{LockRank::kTablesWriter};
  mutable std::atomic<uint64_t> reads_{0};
  bool synced_by_commit_ CAIRN_GUARDED_BY(write_mutex_) = false;  // see the invariant of sync()

  Mutex readers_mutex_{LockRank::kLongReaders};
  std::list<LongReader*> long_readers_ CAIRN_GUARDED_BY(readers_mutex_);

  struct Registry;
  static Registry& registry() CAIRN_REQUIRES(registry_mutex_);
  static inline Mutex registry_mutex_{LockRank::kEnvironments};
  bool registered_ = false;  // set before others see it
  bool owned_ CAIRN_GUARDED_BY(registry_mutex_) = false;
};

/// Closes its file descriptor, if it holds one.
using wal::Descriptor;

/// mdb_env_open, with each descriptor at 3 or above.
int open_held(MDB_env* env, const std::string& path, unsigned flags);
/// Creates <directory>/data completely or not at all: written as data.tmp/, synced, renamed. No environment of
/// `directory` is open in this process.
Status give_birth(const std::string& directory, const std::string& store_id, uint64_t map_bytes);
/// Removes data.tmp/, which an interrupted creation leaves.
Status remove_unborn(const std::string& directory);

/// Gives lock.mdb in the directory `data` real blocks. LMDB maps it, sparse, and writes into the mapping: on a full
/// disk that is a SIGBUS. kNoSpace instead. Before the environment is opened in this process.
Status prepare_lock_file(int data);

/// Converts an LMDB or errno code to a Status. Not for failed commits: see Environment.
Status lmdb_status(int rc, const char* what);
/// The same after a call that syncs; kUnsafe if the system does not support the sync.
Status lmdb_sync_status(int rc, const char* what);
/// True when a write of `need_bytes` below `directory` would fail for lack of space or quota. LMDB reports a short
/// write as EIO, so this tells a full disk from a failing one.
bool disk_is_full(const std::string& directory, uint64_t need_bytes);

inline constexpr unsigned kMaxReaders = 1024;
inline constexpr uint64_t kLockFileBytes = 68u << 10;  // header and kMaxReaders slots of 64 bytes, in whole pages
inline constexpr unsigned kMaxTables = 16;
inline constexpr uint64_t kMapGranule = 64u << 10;  // a multiple of every page size
inline constexpr uint64_t kMapBytesMin = 256u << 10;
inline constexpr uint64_t kMapBytesMax = uint64_t{1} << 40;
/// `wish` rounded to whole granules, within the limits.
uint64_t map_size(uint64_t wish);

}  // namespace cairn::engine
