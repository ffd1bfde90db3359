#include "engine/tables/lmdb_status.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "wal/descriptor.h"
#include "wal/files.h"

namespace cairn::engine {

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

}  // namespace cairn::engine
