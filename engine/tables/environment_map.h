// The map of an environment: who reads through it, and its growth. Private to this folder.
//
// Invariants:
// - the map is replaced only while no read transaction of this process lives (MapGate) and no write transaction either;
// - data.mdb is never shorter than the map of the process that writes (sparse), so last page < pages of the file holds
//   at every commit, and a shorter file is a truncated one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>

#include "cairn/status.h"
#include "wal/mutex.h"

struct MDB_env;
struct MDB_txn;

namespace cairn::engine {

inline constexpr uint64_t kMapGranule = 64u << 10;  // a multiple of every page size
inline constexpr uint64_t kMapBytesMin = 256u << 10;
inline constexpr uint64_t kMapBytesMax = uint64_t{1} << 40;
/// `wish` rounded to whole granules, within the limits.
uint64_t map_size(uint64_t wish);

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

/// A read transaction, inside the gate. It ends with the object; bytes that it gave are invalid afterwards.
class ReadTxn {
 public:
  /// `pid`: of the process that began it.
  ReadTxn(MDB_txn* txn, MapGate& gate, int pid) : txn_(txn), gate_(&gate), pid_(pid) {}
  ReadTxn(ReadTxn&& other) noexcept;
  ReadTxn(const ReadTxn&) = delete;
  ReadTxn& operator=(const ReadTxn&) = delete;
  ReadTxn& operator=(ReadTxn&&) = delete;
  ~ReadTxn();
  [[nodiscard]] MDB_txn* get() const { return txn_; }
  [[nodiscard]] uint64_t number() const;

 private:
  MDB_txn* txn_;
  MapGate* gate_;
  int pid_;
};

/// A reader that keeps pages and the map for longer than a call. The environment can end it while it is not in use.
class LongReader {
 public:
  virtual ~LongReader() = default;
  /// Ends the transaction if it is older than `age` and not in use at this moment.
  virtual void end_if_idle(std::chrono::steady_clock::duration age) = 0;
};

class EnvironmentMap {
 public:
  /// `fd`: data.mdb; `bytes`: the map as it is.
  EnvironmentMap(MDB_env* env, int fd, uint64_t bytes) : env_(env), fd_(fd), bytes_(bytes) {}

  [[nodiscard]] MapGate& gate() { return gate_; }
  void add(LongReader* reader);
  void remove(LongReader* reader);

  [[nodiscard]] uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  /// The old map is gone and the new one could not be made.
  [[nodiscard]] bool lost() const { return lost_.load(std::memory_order_acquire); }
  /// Makes room for `need_bytes`, if `may_grow`, which may be empty, allows the size that this takes.
  Status grow(uint64_t need_bytes, const std::function<Status(uint64_t bytes)>& may_grow);
  /// `bytes` 0: the size that the writing process has set.
  Status remap(uint64_t bytes);

 private:
  /// Waits until no read transaction of this process lives, ending idle long readers; kAgain if some stay.
  Status close_gate();

  MDB_env* const env_;
  const int fd_;
  std::atomic<uint64_t> bytes_;
  std::atomic<bool> lost_{false};  // set by the thread that saw the failure, never cleared

  MapGate gate_;
  Mutex readers_mutex_{LockRank::kLongReaders};
  std::list<LongReader*> long_readers_ CAIRN_GUARDED_BY(readers_mutex_);
};

}  // namespace cairn::engine
