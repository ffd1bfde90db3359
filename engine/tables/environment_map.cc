#include "engine/tables/environment_map.h"

#include <lmdb.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/tables/lmdb_status.h"
#include "wal/files.h"

namespace cairn::engine {
namespace {

constexpr std::chrono::milliseconds kGateStep{100};
constexpr std::chrono::seconds kGatePatience{5};
constexpr std::chrono::seconds kIdleReaderAge{2};

}  // namespace

uint64_t map_size(uint64_t wish) {
  wish = std::clamp(wish, kMapBytesMin, kMapBytesMax);
  return (wish + kMapGranule - 1) / kMapGranule * kMapGranule;
}

void MapGate::enter() {
  const MutexLock lock(mutex_);
  while (closed_) {
    changed_.wait(mutex_);
  }
  ++inside_;
}

void MapGate::leave() {
  const MutexLock lock(mutex_);
  if (--inside_ == 0) {
    changed_.notify_all();
  }
}

bool MapGate::close(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  const MutexLock lock(mutex_);
  bool in_time = true;
  while (closed_ && in_time) {
    in_time = changed_.wait_until(mutex_, until);
  }
  if (closed_) {
    return false;
  }
  closed_ = true;
  in_time = true;
  while (inside_ != 0 && in_time) {
    in_time = changed_.wait_until(mutex_, until);
  }
  if (inside_ == 0) {
    return true;
  }
  closed_ = false;
  changed_.notify_all();
  return false;
}

void MapGate::open() {
  const MutexLock lock(mutex_);
  closed_ = false;
  changed_.notify_all();
}

ReadTxn::ReadTxn(ReadTxn&& other) noexcept : txn_(other.txn_), gate_(other.gate_), pid_(other.pid_) {
  other.txn_ = nullptr;
}

ReadTxn::~ReadTxn() {
  if (txn_ == nullptr) {
    return;
  }
  // In a forked child the slot in lock.mdb belongs to the parent: do not free it.
  if (pid_ == getpid()) {
    mdb_txn_abort(txn_);
  }
  gate_->leave();
}

uint64_t ReadTxn::number() const { return mdb_txn_id(txn_); }

void EnvironmentMap::add(LongReader* reader) {
  const MutexLock lock(readers_mutex_);
  long_readers_.push_back(reader);
}

void EnvironmentMap::remove(LongReader* reader) {
  const MutexLock lock(readers_mutex_);
  long_readers_.remove(reader);
}

Status EnvironmentMap::close_gate() {
  const auto until = std::chrono::steady_clock::now() + kGatePatience;
  while (!gate_.close(kGateStep)) {
    if (std::chrono::steady_clock::now() >= until) {
      return {Code::kAgain, "a snapshot in use keeps the LMDB map"};
    }
    const MutexLock lock(readers_mutex_);
    for (LongReader* reader : long_readers_) {
      reader->end_if_idle(kIdleReaderAge);
    }
  }
  return {};
}

Status EnvironmentMap::remap(uint64_t bytes) {
  if (bytes != 0) {
    // mdb_env_set_mapsize drops the old map before it makes the new one. Try first whether that can work.
    void* trial = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd_, 0);
    if (trial == MAP_FAILED) {
      return lmdb_status(errno, "address space for the LMDB map");
    }
    munmap(trial, bytes);
    CAIRN_TRY(wal::check_size_limit(bytes));
    if (ftruncate(fd_, static_cast<off_t>(bytes)) != 0) {
      return lmdb_status(errno, "lengthening data.mdb");
    }
  }
  CAIRN_TRY(close_gate());
  const int rc = mdb_env_set_mapsize(env_, bytes);
  MDB_envinfo info = {};
  if (rc != 0) {
    lost_.store(true, std::memory_order_release);
  } else if (mdb_env_info(env_, &info) == 0) {
    bytes_.store(info.me_mapsize, std::memory_order_relaxed);
  }
  gate_.open();
  return rc == 0 ? Status() : lmdb_status(rc, "LMDB map");
}

Status EnvironmentMap::grow(uint64_t need_bytes, const std::function<Status(uint64_t bytes)>& may_grow) {
  const uint64_t now = this->bytes();
  uint64_t bytes = map_size(std::max(now * 2, now + need_bytes));
  if (bytes <= now) {
    return {Code::kNoSpace, "the LMDB map has reached its limit", MDB_MAP_FULL};
  }
  if (may_grow && !may_grow(bytes).ok()) {
    bytes = map_size(now + need_bytes + kMapBytesMin);  // no more than this needs
    CAIRN_TRY(may_grow(bytes));
  }
  return remap(bytes);
}

}  // namespace cairn::engine
