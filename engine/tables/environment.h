// One open LMDB environment of this process: opening and closing, its transactions, and what a failed one means. Only
// environment.cc, open.cc, birth.cc, environment_map.cc, table_access.cc and lmdb_status.cc include lmdb.h. Private to
// this folder.
//
// Invariants:
// - a data directory (st_dev, st_ino) is open at most once in a process; while it is, this process does not open or
//   close data.mdb or lock.mdb by path (that would drop LMDB's fcntl locks);
// - sync() answers kOk only if a commit succeeded since the open and since the last failure: the kernel reports a
//   failed write-back once and marks the pages clean, so a later fdatasync alone proves nothing.
// What holds of the map stands in tables/environment_map.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/tables/environment_map.h"
#include "engine/tables/table_access.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

struct MDB_env;
struct MDB_txn;

namespace cairn::engine {

class Environment {
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

  [[nodiscard]] const TableAccess& tables() const { return tables_; }
  [[nodiscard]] EnvironmentMap& map() { return map_; }
  [[nodiscard]] int fd() const { return fd_; }

  Result<ReadTxn> read();
  /// Makes write transactions run one at a time: held around update() and sync().
  Mutex& write_mutex() CAIRN_RETURN_CAPABILITY(write_mutex_) { return write_mutex_; }
  /// Runs `body` in a write transaction and commits it. If the map had to grow, `body` runs again from the start, so it
  /// must not keep state. `need_bytes`: roughly what it writes. kNoSpace if the map cannot grow and has too few free
  /// pages, not counting those kept for an erase; with `erases` those may be used, too.
  Status update(uint64_t need_bytes, bool erases, const std::function<Status(uint64_t bytes)>& may_grow,
                const FunctionRef<Status(MDB_txn*)>& body) CAIRN_REQUIRES(write_mutex_);
  Status sync(const std::function<Status(uint64_t bytes)>& may_grow) CAIRN_REQUIRES(write_mutex_);
  Result<int> check_readers();

  /// Of the last commit: that of this process, or the current one if another process writes.
  [[nodiscard]] uint64_t applied_lsn();
  [[nodiscard]] uint64_t session();
  void note(uint64_t applied_lsn, uint64_t session);

 private:
  struct Close {
    void operator()(MDB_env* env) const;
  };
  using Opened = std::unique_ptr<MDB_env, Close>;
  Environment(Opened&& env, int fd, uint64_t map_bytes, const Request& request);

  static Status open(const Request& request, bool read_only_mount, Opened& env);
  static Status make(const Request& request, bool read_only_mount, bool born_now,
                     std::shared_ptr<Environment>& environment);
  Status prepare(const Request& request, bool read_only_mount, bool born_now);
  Status repeat_meta_pages();
  Status readable() const;
  Status writable() const;
  Status begin_write(MDB_txn*& txn);
  Result<uint64_t> used_bytes();
  [[nodiscard]] bool takes_pages_of_erases(MDB_txn* txn, uint64_t used_bytes_before) const;
  Status touch(MDB_txn* txn) const;
  Status make_freed_pages_usable() CAIRN_REQUIRES(write_mutex_);
  Status write_failed(int rc, uint64_t need_bytes, const char* what) CAIRN_REQUIRES(write_mutex_);

  Opened env_;
  const int fd_;  // data.mdb
  const int pid_;
  const bool writable_;
  const std::string directory_;
  EnvironmentMap map_;
  TableAccess tables_;

  std::atomic<bool> latched_{false};  // set by the thread that saw the failure, never cleared
  std::atomic<uint64_t> applied_lsn_{0};
  std::atomic<uint64_t> session_{0};

  Mutex write_mutex_{LockRank::kTablesWriter};
  bool synced_by_commit_ CAIRN_GUARDED_BY(write_mutex_) = false;  // see the invariant of sync()

  struct Registry;
  static Registry& registry() CAIRN_REQUIRES(registry_mutex_);
  static inline Mutex registry_mutex_{LockRank::kEnvironments};
  // Set before others see it.
  bool registered_ = false;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  bool owned_ CAIRN_GUARDED_BY(registry_mutex_) = false;
};

}  // namespace cairn::engine
