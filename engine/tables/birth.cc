// Creation of the environment. A crash between mdb_env_open of a new file and its first commit leaves meta pages that
// LMDB refuses forever, and LMDB never syncs its directory: so data/ appears by rename, whole and synced.
#include "engine/tables/birth.h"

#include <dirent.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "engine/tables/environment_map.h"
#include "engine/tables/format.h"
#include "engine/tables/lmdb_status.h"
#include "wal/descriptor.h"
#include "wal/files.h"

namespace cairn::engine {
namespace {

constexpr const char* kUnborn = "/data.tmp";

Status sync_path(const std::string& path, int flags, const char* what) {
  const wal::Descriptor fd(::open(path.c_str(), flags | O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) {
    return lmdb_status(errno, what);
  }
  if (fsync(fd.get()) != 0) {
    return wal::sync_failure(errno, what);
  }
  return {};
}

Status first_commit(MDB_env* env, const std::string& directory, const std::string& store_id) {
  MDB_txn* raw = nullptr;
  int rc = mdb_txn_begin(env, nullptr, 0, &raw);
  if (rc != 0) {
    return lmdb_status(rc, "creating data.tmp: begin");
  }
  // Memory may run out below: a transaction that outlives the environment leaves a lock of lock.mdb's lost mapping on
  // this thread's list of robust mutexes.
  std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> txn(raw, &mdb_txn_abort);
  const auto put = [raw](MDB_dbi handle, std::string_view key, std::string_view payload) {
    const std::string sealed = sealed_value(Table::kMeta, key, payload);
    MDB_val k = {key.size(), const_cast<char*>(key.data())};
    MDB_val v = {sealed.size(), const_cast<char*>(sealed.data())};
    return mdb_put(raw, handle, &k, &v, 0);
  };
  MDB_dbi handle = 0;
  for (const Table t : kTables) {
    if (rc == 0) {
      rc = mdb_dbi_open(raw, table_name(t), MDB_CREATE, &handle);
    }
  }
  // The last handle is that of kMeta.
  static_assert(kTables.back() == Table::kMeta);
  if (rc == 0) {
    rc = put(handle, meta_key::kFormat, encode_u32(kTablesFormat));
  }
  if (rc == 0) {
    rc = put(handle, meta_key::kStore, store_id);
  }
  if (rc == 0) {
    rc = put(handle, meta_key::kAppliedLsn, encode_u64(0));
  }
  if (rc == 0) {
    rc = put(handle, meta_key::kSession, encode_u64(0));
  }
  if (rc != 0) {
    return lmdb_status(rc, "creating data.tmp: write");
  }
  rc = mdb_txn_commit(txn.release());
  if (rc == EIO && disk_is_full(directory, kMapBytesMin)) {
    return {Code::kNoSpace, "creating data.tmp: commit", rc};
  }
  return lmdb_sync_status(rc, "creating data.tmp: commit");
}

Status fill(const std::string& path, const std::string& store_id, uint64_t map_bytes) {
  {
    const wal::Descriptor data(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (data.get() < 0) {
      return lmdb_status(errno, "creating data.tmp");
    }
    CAIRN_TRY(prepare_lock_file(data.get()));
  }
  MDB_env* raw = nullptr;
  int rc = mdb_env_create(&raw);
  if (rc != 0) {
    return lmdb_status(rc, "creating data.tmp");
  }
  const std::unique_ptr<MDB_env, decltype(&mdb_env_close)> env(raw, &mdb_env_close);
  if (rc == 0) {
    rc = mdb_env_set_mapsize(raw, map_bytes);
  }
  if (rc == 0) {
    rc = mdb_env_set_maxdbs(raw, kMaxTables);
  }
  if (rc == 0) {
    rc = open_held(raw, path, MDB_NOTLS);
  }
  if (rc != 0) {
    return lmdb_status(rc, "creating data.tmp: open");
  }
  mdb_filehandle_t fd = -1;
  if ((rc = mdb_env_get_fd(raw, &fd)) != 0) {
    return lmdb_status(rc, "creating data.tmp: descriptor");
  }
  if (fchmod(fd, 0600) != 0 || ftruncate(fd, static_cast<off_t>(map_bytes)) != 0) {
    return lmdb_status(errno, "creating data.tmp: data.mdb");
  }
  CAIRN_TRY(first_commit(raw, path, store_id));
  if ((rc = mdb_env_sync(raw, 1)) != 0) {
    return lmdb_sync_status(rc, "creating data.tmp: sync");
  }
  return {};
}

}  // namespace

int open_held(MDB_env* env, const std::string& path, unsigned flags) {
  const wal::StandardHeld held;
  return mdb_env_open(env, path.c_str(), flags, 0600);
}

Status remove_unborn(const std::string& directory) {
  const std::string path = directory + kUnborn;
  const int fd = wal::above_standard(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd < 0) {
    return errno == ENOENT ? Status() : lmdb_status(errno, "removing data.tmp");
  }
  // data.tmp/ may have been renamed to data/, and the sync of that may have failed. So sync the directory first: a
  // crash must not leave data/ without its file.
  if (const Status named = sync_path(directory, O_DIRECTORY, "removing data.tmp: syncing the store's directory");
      !named.ok()) {
    close(fd);
    return named;
  }
  DIR* entries = fdopendir(fd);
  if (entries == nullptr) {
    const int cause = errno;
    close(fd);
    return lmdb_status(cause, "removing data.tmp");
  }
  int cause = 0;
  while (const dirent* entry = readdir(entries)) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    if (unlinkat(fd, entry->d_name, 0) != 0 && cause == 0) {
      cause = errno;
    }
  }
  closedir(entries);
  if (cause == 0 && rmdir(path.c_str()) != 0) {
    cause = errno;
  }
  return cause == 0 ? Status() : lmdb_status(cause, "removing data.tmp");
}

Status prepare_lock_file(int data) {
  const wal::Descriptor fd(::openat(data, "lock.mdb", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  struct stat info = {};
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) {
    return lmdb_status(errno, "lock.mdb");
  }
  // Never lengthen a file in use: each process takes the number of reader slots from the length it found.
  const off_t bytes = info.st_size == 0 ? static_cast<off_t>(kLockFileBytes) : info.st_size;
  if (info.st_size == 0 && fchmod(fd.get(), 0600) != 0) {
    return lmdb_status(errno, "lock.mdb");
  }
  int rc = 0;
  do {
    rc = fallocate(fd.get(), 0, 0, bytes);
  } while (rc != 0 && errno == EINTR);
  if (rc != 0 && errno != EOPNOTSUPP) {
    return lmdb_status(errno, "lock.mdb");
  }
  return {};
}

Status give_birth(const std::string& directory, const std::string& store_id, uint64_t map_bytes) {
  CAIRN_TRY(remove_unborn(directory));
  CAIRN_TRY(wal::check_size_limit(map_bytes));
  const std::string path = directory + kUnborn;
  if (mkdir(path.c_str(), 0700) != 0 || chmod(path.c_str(), 0700) != 0) {
    return lmdb_status(errno, "creating data.tmp");
  }
  Status s = fill(path, store_id, map_bytes);
  if (s.ok()) {
    s = sync_path(path + "/data.mdb", O_NOFOLLOW, "creating data.tmp: syncing data.mdb");
  }
  if (s.ok()) {
    s = sync_path(path, O_DIRECTORY | O_NOFOLLOW, "creating data.tmp: syncing it");
  }
  if (s.ok() && rename(path.c_str(), (directory + "/data").c_str()) != 0) {
    s = lmdb_status(errno, "creating data: rename");
  }
  if (!s.ok()) {
    (void)remove_unborn(directory);  // gives the space back; what stays is removed by the next open
    return s;
  }
  return sync_path(directory, O_DIRECTORY, "creating data: syncing the store's directory");
}

}  // namespace cairn::engine
