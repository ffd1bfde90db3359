// TABLES.md, section "Pitfalls", says which pitfall of LMDB 0.9.24 each part of this file avoids.
#include "engine/tables/environment.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "wal/files.h"

namespace cairn::engine {
namespace {

constexpr std::chrono::milliseconds kGateStep{100};
constexpr std::chrono::seconds kGatePatience{5};
constexpr std::chrono::seconds kIdleReaderAge{2};
constexpr uint64_t kProbeBytes = 1u << 20;
constexpr MDB_dbi kTableOfTables = 1;
constexpr uint64_t kEraseBytes = 256u << 10;  // free pages that only erases may use up

MDB_val value_of(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view view_of(const MDB_val& v) { return {static_cast<const char*>(v.mv_data), v.mv_size}; }

}  // namespace

Status lmdb_status(int rc, const char* what) {
  switch (rc) {
    case 0:
      return {};
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
    case MDB_NOTFOUND:  // callers that expect it do not call this: a table is missing
    case MDB_CURSOR_FULL:
      return {Code::kCorrupt, what, rc};
    case MDB_VERSION_MISMATCH:
      return {Code::kVersion, what, rc};
    case MDB_PANIC:
      return {Code::kLatched, what, rc};
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
      return {Code::kNoSpace, what, rc};
    case MDB_READERS_FULL:
    case MDB_MAP_RESIZED:
    case EAGAIN:
      return {Code::kAgain, what, rc};
    case ENOMEM:
      return {Code::kNoMemory, what, rc};
    case EROFS:
      return {Code::kReadOnly, what, rc};
    case ELOOP:
    case ENOTDIR:
    case ENXIO:  // a socket
    case EACCES:
    case EPERM:
    case ENOSYS:
    case EOPNOTSUPP:
      return {Code::kUnsafe, what, rc};
    case MDB_BAD_TXN:
    case MDB_BAD_DBI:
    case MDB_BAD_VALSIZE:
    case MDB_BAD_RSLOT:
    case MDB_KEYEXIST:
      return {Code::kInternal, what, rc};
    default:
      return {Code::kIo, what, rc};
  }
}

Status lmdb_sync_status(int rc, const char* what) {
  const Status s = lmdb_status(rc, what);
  return s.code == Code::kIo || s.code == Code::kUnsafe ? wal::sync_failure(rc, what) : s;
}

bool disk_is_full(const std::string& directory, uint64_t need_bytes) {
  struct statvfs info = {};
  if (statvfs(directory.c_str(), &info) == 0) {
    const uint64_t blocks = geteuid() == 0 ? info.f_bfree : info.f_bavail;
    if (blocks * info.f_frsize < need_bytes) {
      return true;
    }
  }
  // Quotas do not show in statvfs: ask for the blocks, in a file without a name.
  const int fd = wal::above_standard(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd < 0) {
    return errno == ENOSPC || errno == EDQUOT;
  }
  const int rc = posix_fallocate(fd, 0, static_cast<off_t>(need_bytes));
  ::close(fd);
  return rc == ENOSPC || rc == EDQUOT;
}

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

ReadTxn::ReadTxn(ReadTxn&& other) noexcept : environment_(other.environment_), txn_(other.txn_) {
  other.txn_ = nullptr;
}

ReadTxn::~ReadTxn() {
  if (txn_ == nullptr) {
    return;
  }
  // In a forked child the slot in lock.mdb belongs to the parent: do not free it.
  if (environment_->pid_ == getpid()) {
    mdb_txn_abort(txn_);
  }
  environment_->gate_.leave();
}

uint64_t ReadTxn::number() const { return mdb_txn_id(txn_); }

int Environment::fd() const {
  mdb_filehandle_t fd = -1;
  return mdb_env_get_fd(env_, &fd) == 0 ? fd : -1;
}

Status Environment::readable() const {
  if (pid_ != getpid()) {
    return {Code::kForked, "LMDB environment of the parent process"};
  }
  if (map_lost_.load(std::memory_order_acquire)) {
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
    gate_.enter();
    MDB_txn* txn = nullptr;
    const int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
    if (rc == 0) {
      return ReadTxn(this, txn);
    }
    gate_.leave();
    if (rc == MDB_MAP_RESIZED) {
      CAIRN_TRY(remap(0));
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

void Environment::add(LongReader* reader) {
  const MutexLock lock(readers_mutex_);
  long_readers_.push_back(reader);
}

void Environment::remove(LongReader* reader) {
  const MutexLock lock(readers_mutex_);
  long_readers_.remove(reader);
}

Status Environment::close_gate() {
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

/// `bytes` 0: the size that the writing process has set.
Status Environment::remap(uint64_t bytes) {
  if (bytes != 0) {
    // mdb_env_set_mapsize drops the old map before it makes the new one. Try first whether that can work.
    void* trial = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd(), 0);
    if (trial == MAP_FAILED) {
      return lmdb_status(errno, "address space for the LMDB map");
    }
    munmap(trial, bytes);
    CAIRN_TRY(wal::check_size_limit(bytes));
    if (ftruncate(fd(), static_cast<off_t>(bytes)) != 0) {
      return lmdb_status(errno, "lengthening data.mdb");
    }
  }
  CAIRN_TRY(close_gate());
  const int rc = mdb_env_set_mapsize(env_, bytes);
  MDB_envinfo info = {};
  if (rc != 0) {
    latched_.store(true, std::memory_order_release);
    map_lost_.store(true, std::memory_order_release);
  } else if (mdb_env_info(env_, &info) == 0) {
    map_bytes_.store(info.me_mapsize, std::memory_order_relaxed);
  }
  gate_.open();
  return rc == 0 ? Status() : lmdb_status(rc, "LMDB map");
}

Status Environment::grow(uint64_t need_bytes, const std::function<Status(uint64_t bytes)>& may_grow) {
  const uint64_t now = map_bytes();
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

Result<int> Environment::check_readers() {
  CAIRN_TRY(readable());
  int dead = 0;
  const int rc = mdb_reader_check(env_, &dead);
  if (rc != 0) {
    return lmdb_status(rc, "LMDB reader check");
  }
  return dead;
}

Status Environment::begin_write(MDB_txn*& txn) {
  int rc = mdb_txn_begin(env_, nullptr, 0, &txn);
  if (rc == MDB_MAP_RESIZED) {
    CAIRN_TRY(remap(0));
    rc = mdb_txn_begin(env_, nullptr, 0, &txn);
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

Status Environment::update(uint64_t need_bytes, bool erases, const std::function<Status(uint64_t bytes)>& may_grow,
                           const FunctionRef<Status(MDB_txn*)>& body) {
  CAIRN_TRY(writable());
  uint64_t used = 0;
  if (Result<ReadTxn> txn = read(); txn.ok()) {
    if (const Result<uint64_t> bytes = used_bytes(txn->get()); bytes.ok()) {
      used = *bytes;
    }
  }
  // This is an estimate, so a refusal is not an error yet. But pages are copied before others become free, even by an
  // erase.
  if (used + 2 * need_bytes + kMapGranule >= map_bytes() && !grow(need_bytes, may_grow).ok() && !erases &&
      used + need_bytes + kEraseBytes >= map_bytes()) {
    return {Code::kNoSpace, "the LMDB map cannot grow", MDB_MAP_FULL};
  }

  bool readers_checked = false;
  for (;;) {
    CAIRN_TRY(writable());
    MDB_txn* raw = nullptr;
    CAIRN_TRY(begin_write(raw));
    std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> txn(raw, &mdb_txn_abort);
    const Status s = body(raw);
    int rc = s.cause;
    if (s.ok()) {
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
    CAIRN_TRY(grow(need_bytes, may_grow));
  }
}

Status Environment::sync(const std::function<Status(uint64_t bytes)>& may_grow) {
  CAIRN_TRY(writable());
  if (!synced_by_commit_) {
    CAIRN_TRY(update(0, true, may_grow, [this](MDB_txn* txn) {
      return put(txn, Table::kMeta, meta_key::kTouch, sealed_value(Table::kMeta, meta_key::kTouch, encode_u64(0)));
    }));
  }
  const int rc = mdb_env_sync(env_, 1);
  return rc == 0 ? Status() : write_failed(rc, 0, "LMDB sync");
}

Result<std::optional<std::string_view>> Environment::get(MDB_txn* txn, Table t, std::string_view key) const {
  if (key.empty() || key.size() > kTableKeyBytesMax) {
    return std::optional<std::string_view>();
  }
  MDB_val k = value_of(key);
  MDB_val v = {};
  reads_.fetch_add(1, std::memory_order_relaxed);
  const int rc = mdb_get(txn, handles_[static_cast<size_t>(t)], &k, &v);
  if (rc == MDB_NOTFOUND) {
    CAIRN_TRY_ASSIGN(auto&& leaf, leaf_check(txn, t));
    if (leaf) {
      CAIRN_TRY(leaf->check(key));
    }
    return std::optional<std::string_view>();
  }
  if (rc != 0) {
    return lmdb_status(rc, "LMDB get");
  }
  const std::optional<std::string_view> payload = open_value(t, key, view_of(v));
  if (!payload) {
    return Status{Code::kCorrupt, "a table's value has a wrong checksum"};
  }
  return payload;
}

Status Environment::put(MDB_txn* txn, Table t, std::string_view key, std::string_view sealed) const {
  MDB_val k = value_of(key);
  MDB_val v = value_of(sealed);
  return lmdb_status(mdb_put(txn, handles_[static_cast<size_t>(t)], &k, &v, 0), "LMDB put");
}

Status Environment::erase(MDB_txn* txn, Table t, std::string_view key) const {
  MDB_val k = value_of(key);
  const int rc = mdb_del(txn, handles_[static_cast<size_t>(t)], &k, nullptr);
  return rc == MDB_NOTFOUND ? Status() : lmdb_status(rc, "LMDB delete");
}

Result<std::optional<LeafCheck>> Environment::leaf_check(MDB_txn* txn, Table t) const {
  MDB_envinfo info = {};
  int rc = mdb_env_info(env_, &info);
  if (rc != 0) {
    return lmdb_status(rc, "LMDB environment");
  }
  // A write transaction has the number of the next commit. The layout is that of 64-bit builds.
  if (mdb_txn_id(txn) > info.me_last_txnid || sizeof(size_t) != 8) {
    return std::optional<LeafCheck>();
  }
  MDB_stat stat = {};
  MDB_val tree = {};
  MDB_val name = value_of(table_name(t));
  rc = mdb_stat(txn, kTableOfTables, &stat);
  if (rc == 0) {
    rc = mdb_get(txn, kTableOfTables, &name, &tree);
  }
  if (rc != 0) {
    return lmdb_status(rc, "LMDB table of tables");
  }
  if (tree.mv_size != layout::kTreeBytes) {
    return Status{Code::kCorrupt, "a table of the wrong length"};
  }
  return std::optional<LeafCheck>(
      LeafCheck(fd(), stat.ms_psize, layout::load_tree(static_cast<const char*>(tree.mv_data))));
}

// From a page with damaged entries LMDB returns fewer, or none, and no error; the count of the tree shows that.
// `counted` is from the beginning of the walk, because the visitor may have changed the table.
Status Environment::check_walked(MDB_txn* txn, Table t, uint64_t counted, uint64_t walked) const {
  CAIRN_TRY_ASSIGN(const uint64_t now, entries(txn, t));
  return now == counted && walked != counted ? Status{Code::kCorrupt, "a table's tree lacks entries that it counts"}
                                             : Status();
}

/// A cursor over one table that finds out whether the pages it passes lost entries.
class Environment::Walk {
 public:
  Walk(const Environment& environment, MDB_txn* txn, Table t) : environment_(environment), txn_(txn), table_(t) {}

  /// `at`: where the walk begins; nullopt: at the end.
  Status begin(std::optional<std::string_view> at) {
    MDB_cursor* raw = nullptr;
    if (const int rc = mdb_cursor_open(txn_, environment_.handles_[static_cast<size_t>(table_)], &raw); rc != 0) {
      return lmdb_status(rc, "LMDB cursor");
    }
    cursor_.reset(raw);
    CAIRN_TRY_ASSIGN(counted_, environment_.entries(txn_, table_));
    CAIRN_TRY_ASSIGN(auto&& leaf, environment_.leaf_check(txn_, table_));
    if (!leaf) {
      return {};
    }
    leaf_.emplace(std::move(*leaf));
    return leaf_->check(at);
  }
  /// What LMDB returns. `to`: for MDB_SET_RANGE.
  int go(MDB_cursor_op step, std::string_view to = {}) {
    key_ = value_of(to);
    return mdb_cursor_get(cursor_.get(), &key_, &value_, step);
  }
  [[nodiscard]] std::string_view key() const { return view_of(key_); }

  /// `rc`: of the go() to the first entry. `whole`: this walk passes all entries.
  Status visit(int rc, MDB_cursor_op step, const FunctionRef<bool(std::string_view key, std::string_view value)>& visit,
               bool whole) {
    uint64_t walked = 0;
    for (; rc == 0; ++walked) {
      environment_.reads_.fetch_add(1, std::memory_order_relaxed);
      if (leaf_) {
        CAIRN_TRY(leaf_->check_given(key()));
      }
      if (!visit(key(), view_of(value_))) {
        return {};
      }
      rc = go(step);
    }
    if (rc != MDB_NOTFOUND) {
      return lmdb_status(rc, "LMDB cursor");
    }
    return whole ? environment_.check_walked(txn_, table_, counted_, walked) : Status();
  }

 private:
  const Environment& environment_;
  MDB_txn* const txn_;
  const Table table_;
  std::unique_ptr<MDB_cursor, decltype(&mdb_cursor_close)> cursor_{nullptr, &mdb_cursor_close};
  uint64_t counted_ = 0;  // when the walk began: the visitor may change the table
  std::optional<LeafCheck> leaf_;
  MDB_val key_ = {};
  MDB_val value_ = {};
};

Status Environment::walk(MDB_txn* txn, Table t, std::string_view after,
                         const FunctionRef<bool(std::string_view key, std::string_view value)>& visit) const {
  Walk walk(*this, txn, t);
  CAIRN_TRY(walk.begin(after));
  int rc = walk.go(after.empty() ? MDB_FIRST : MDB_SET_RANGE, after.substr(0, kTableKeyBytesMax));
  while (rc == 0 && !after.empty() && walk.key() <= after) {
    rc = walk.go(MDB_NEXT);
  }
  return walk.visit(rc, MDB_NEXT, visit, after.empty());
}

Status Environment::walk_back(MDB_txn* txn, Table t, std::string_view before,
                              const FunctionRef<bool(std::string_view key, std::string_view value)>& visit) const {
  Walk walk(*this, txn, t);
  CAIRN_TRY(walk.begin(before.empty() ? std::nullopt : std::optional(before)));
  int rc = before.empty() ? MDB_NOTFOUND : walk.go(MDB_SET_RANGE, before);
  if (rc == 0) {
    rc = walk.go(MDB_PREV);
  } else if (rc == MDB_NOTFOUND) {
    rc = walk.go(MDB_LAST);
  }
  return walk.visit(rc, MDB_PREV, visit, before.empty());
}

Result<uint64_t> Environment::entries(MDB_txn* txn, Table t) const {
  MDB_stat stat = {};
  const int rc = mdb_stat(txn, handles_[static_cast<size_t>(t)], &stat);
  if (rc != 0) {
    return lmdb_status(rc, "LMDB stat");
  }
  return static_cast<uint64_t>(stat.ms_entries);
}

Result<uint64_t> Environment::used_bytes(MDB_txn* txn) const {
  uint64_t pages = 2;
  uint64_t page_bytes = 0;
  const auto add = [&](MDB_dbi handle) {
    MDB_stat stat = {};
    const int rc = mdb_stat(txn, handle, &stat);
    pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    page_bytes = stat.ms_psize;
    return rc;
  };
  int rc = add(0);  // LMDB's free list
  if (rc == 0) {
    rc = add(kTableOfTables);
  }
  for (const Table t : kTables) {
    if (rc == 0) {
      rc = add(handles_[static_cast<size_t>(t)]);
    }
  }
  if (rc != 0) {
    return lmdb_status(rc, "LMDB stat");
  }
  return pages * page_bytes;
}

Result<uint64_t> Environment::meta_u64(MDB_txn* txn, std::string_view key) const {
  CAIRN_TRY_ASSIGN(const std::optional<std::string_view> payload, get(txn, Table::kMeta, key));
  const std::optional<uint64_t> v = payload.has_value() ? decode_u64(*payload) : std::nullopt;
  if (!v) {
    return Status{Code::kCorrupt, "table meta: a number is missing"};
  }
  return *v;
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
  const Result<uint64_t> v = environment.meta_u64(txn->get(), key);
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
