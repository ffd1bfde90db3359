// TABLES.md, section "Pitfalls", says which pitfall of LMDB 0.9.24 each part of this folder avoids.
#include "engine/tables/environment.h"

#include <lmdb.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "engine/tables/lmdb_status.h"

namespace cairn::engine {
namespace {

constexpr uint64_t kProbeBytes = 1u << 20;
constexpr uint64_t kEraseBytes = 256u << 10;  // free pages that only erases may use up

}  // namespace

Status Environment::readable() const {
  if (pid_ != getpid()) {
    return {Code::kForked, "LMDB environment of the parent process"};
  }
  if (map_.lost()) {
    return {Code::kLatched, "LMDB map lost: open the store again"};
  }
  return {};
}

Status Environment::writable() const {
  CAIRN_TRY(readable());
  if (!writable_) {
    return {Code::kReadOnly, "LMDB environment opened for reading"};
  }
  if (latched_.load(std::memory_order_acquire)) {
    return {Code::kLatched, "an LMDB write failed: open the store again"};
  }
  return {};
}

Result<ReadTxn> Environment::read() {
  CAIRN_TRY(readable());
  for (int attempt = 0; attempt < 3; ++attempt) {
    map_.gate().enter();
    MDB_txn* txn = nullptr;
    const int rc = mdb_txn_begin(env_.get(), nullptr, MDB_RDONLY, &txn);
    if (rc == 0) {
      return ReadTxn(txn, map_.gate(), pid_);
    }
    map_.gate().leave();
    if (rc == MDB_MAP_RESIZED) {
      CAIRN_TRY(map_.remap(0));
    } else if (rc == MDB_READERS_FULL) {
      Result<int> cleared = check_readers();
      if (!cleared.ok() || *cleared == 0) {
        return lmdb_status(rc, "LMDB reader slots");
      }
    } else {
      return lmdb_status(rc, "LMDB read transaction");
    }
  }
  return Status{Code::kAgain, "LMDB read transaction"};
}

Result<int> Environment::check_readers() {
  CAIRN_TRY(readable());
  int dead = 0;
  const int rc = mdb_reader_check(env_.get(), &dead);
  if (rc != 0) {
    return lmdb_status(rc, "LMDB reader check");
  }
  return dead;
}

Status Environment::begin_write(MDB_txn*& txn) {
  int rc = mdb_txn_begin(env_.get(), nullptr, 0, &txn);
  if (rc == MDB_MAP_RESIZED) {
    CAIRN_TRY(map_.remap(0));
    rc = mdb_txn_begin(env_.get(), nullptr, 0, &txn);
  }
  if (rc == 0) {
    return {};
  }
  if (rc == MDB_PANIC) {
    latched_.store(true, std::memory_order_release);
  }
  return lmdb_status(rc, "LMDB write transaction");
}

Status Environment::write_failed(int rc, uint64_t need_bytes, const char* what) {
  synced_by_commit_ = false;
  if (rc == EIO && disk_is_full(directory_, 2 * need_bytes + kProbeBytes)) {
    return {Code::kNoSpace, what, rc};
  }
  const Status s = lmdb_sync_status(rc, what);
  // Whether the pages are on the disk is no longer known. No space and no memory stop before a sync is trusted.
  if (s.code == Code::kIo || s.code == Code::kUnsafe) {
    latched_.store(true, std::memory_order_release);
  }
  return s;
}

Result<uint64_t> Environment::used_bytes() {
  CAIRN_TRY_ASSIGN(const ReadTxn txn, read());
  return tables_.used_bytes(txn.get());
}

// Copying pages on write does not change what is in use.
bool Environment::takes_pages_of_erases(MDB_txn* txn, uint64_t used_bytes_before) const {
  const Result<uint64_t> used = tables_.used_bytes(txn);
  return used.ok() && *used > used_bytes_before && *used + kEraseBytes > map_.bytes();
}

// Whether a write fits is known only once it is done: pages are copied before others become free, even by an erase, and
// runs that grow split pages. So the map grows early if it may, and where it may not, the transaction is judged by the
// pages that it took, before its commit.
Status Environment::update(uint64_t need_bytes, bool erases, const std::function<Status(uint64_t bytes)>& may_grow,
                           const FunctionRef<Status(MDB_txn*)>& body) {
  CAIRN_TRY(writable());
  const Result<uint64_t> used = used_bytes();
  if (used.ok() && *used + 2 * need_bytes + kMapGranule >= map_.bytes()) {
    (void)map_.grow(need_bytes, may_grow);
  }

  bool keeps_pages_for_erases = !erases && used.ok();
  bool readers_checked = false;
  bool freed_pages_usable = false;
  for (;;) {
    CAIRN_TRY(writable());
    MDB_txn* raw = nullptr;
    CAIRN_TRY(begin_write(raw));
    std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> txn(raw, &mdb_txn_abort);
    const Status s = body(raw);
    const bool takes_kept_pages = s.ok() && keeps_pages_for_erases && takes_pages_of_erases(raw, *used);
    int rc = takes_kept_pages ? MDB_MAP_FULL : s.cause;
    if (s.ok() && !takes_kept_pages) {
      rc = mdb_txn_commit(txn.release());
      if (rc == 0) {
        synced_by_commit_ = true;
        return {};
      }
    }
    txn.reset();
    if (rc != MDB_MAP_FULL) {
      return s.ok() || s.code == Code::kIo ? write_failed(rc, need_bytes, s.ok() ? "LMDB commit" : s.what) : s;
    }
    if (!readers_checked) {
      readers_checked = true;
      const Result<int> cleared = check_readers();
      if (cleared.ok() && *cleared > 0) {
        continue;
      }
    }
    const Status grown = map_.grow(need_bytes, may_grow);
    if (grown.ok()) {
      continue;
    }
    if (takes_kept_pages) {
      if (grown.code != Code::kAgain) {
        return {Code::kNoSpace, "the LMDB map cannot grow", MDB_MAP_FULL};
      }
      keeps_pages_for_erases = false;  // the map may grow once the reader in the way has ended
    } else if (!freed_pages_usable && make_freed_pages_usable().ok()) {
      freed_pages_usable = true;
    } else {
      return grown;
    }
  }
}

// The smallest change there is.
Status Environment::touch(MDB_txn* txn) const {
  return tables_.put(txn, Table::kMeta, meta_key::kTouch, sealed_value(Table::kMeta, meta_key::kTouch, encode_u64(0)));
}

// LMDB gives the pages that a commit freed to the second transaction after it. Where they are nearly all that is free,
// nothing but the smallest transaction would ever fit.
Status Environment::make_freed_pages_usable() {
  MDB_txn* raw = nullptr;
  CAIRN_TRY(begin_write(raw));
  std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> txn(raw, &mdb_txn_abort);
  CAIRN_TRY(touch(raw));
  if (const int rc = mdb_txn_commit(txn.release()); rc != 0) {
    return write_failed(rc, 0, "LMDB commit");
  }
  synced_by_commit_ = true;
  return {};
}

Status Environment::sync(const std::function<Status(uint64_t bytes)>& may_grow) {
  CAIRN_TRY(writable());
  if (!synced_by_commit_) {
    CAIRN_TRY(update(0, true, may_grow, [this](MDB_txn* txn) { return touch(txn); }));
  }
  const int rc = mdb_env_sync(env_.get(), 1);
  return rc == 0 ? Status() : write_failed(rc, 0, "LMDB sync");
}

void Environment::note(uint64_t applied_lsn, uint64_t session) {
  applied_lsn_.store(applied_lsn, std::memory_order_release);
  session_.store(session, std::memory_order_release);
}

namespace {

/// The value that another process wrote last; `known` if it cannot be read.
uint64_t current(Environment& environment, std::string_view key, uint64_t known) {
  Result<ReadTxn> txn = environment.read();
  if (!txn.ok()) {
    return known;
  }
  const Result<uint64_t> v = environment.tables().meta_u64(txn->get(), key);
  return v.ok() ? *v : known;
}

}  // namespace

uint64_t Environment::applied_lsn() {
  const uint64_t known = applied_lsn_.load(std::memory_order_acquire);
  return writable_ ? known : current(*this, meta_key::kAppliedLsn, known);
}

uint64_t Environment::session() {
  const uint64_t known = session_.load(std::memory_order_acquire);
  return writable_ ? known : current(*this, meta_key::kSession, known);
}

}  // namespace cairn::engine
