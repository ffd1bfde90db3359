// The C library's file calls, defined here so that the whole test program uses them, LMDB's shared library included
// (an executable's definitions come first). Each passes on to the real one and tells the active DiskRecorder.
//
// Calls below a watched directory that are missing here would go unrecorded; RecordedDiskEqualsTheRealDirectory in
// tests/crash notices.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string>

#include "tests/support/disk_recorder.h"

#define CAIRN_WATCHED extern "C" __attribute__((visibility("default")))

using cairn::testing::DiskCall;
using cairn::testing::DiskRecorder;

namespace {

template <class Function>
Function* real(Function*& cache, const char* name) {
  if (cache == nullptr) {
    cache = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
  }
  return cache;
}

#define CAIRN_REAL(name, ...)      \
  using type_##name = __VA_ARGS__; \
  static type_##name* real_##name; \
  type_##name* const call_##name = real(real_##name, #name)

DiskRecorder* recorder_of(int fd) {
  DiskRecorder* recorder = DiskRecorder::active();
  if (recorder == nullptr) {
    return nullptr;
  }
  const int before = errno;
  const bool watched = recorder->watches(fd);
  errno = before;
  return watched ? recorder : nullptr;
}

int opened(int fd, int directory_fd, const char* path, int flags) {
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && fd >= 0) {
    const int before = errno;
    recorder->opened(fd, directory_fd, path, flags);
    errno = before;
  }
  return fd;
}

// The error that the call is to fail with, set as errno.
template <class Ask>
bool refused(Ask&& ask) {
  DiskRecorder* recorder = DiskRecorder::active();
  if (recorder == nullptr) {
    return false;
  }
  const int before = errno;
  const int error = ask(*recorder);
  errno = error != 0 ? error : before;
  return error != 0;
}

bool open_refused(int directory_fd, const char* path, int flags) {
  return refused([&](DiskRecorder& r) { return r.allow_open(directory_fd, path, flags); });
}

bool path_refused(DiskCall call, int directory_fd, const char* path) {
  return refused([&](DiskRecorder& r) { return r.allow_path(call, directory_fd, path); });
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

using PwriteFunction = ssize_t(int, const void*, size_t, off_t);

ssize_t watched_pwrite(PwriteFunction* call, int fd, const void* bytes, size_t count, off_t offset) {
  DiskRecorder* recorder = recorder_of(fd);
  if (recorder == nullptr) {
    return call(fd, bytes, count, offset);
  }
  const DiskRecorder::Allowed allowed = recorder->allow_write(fd, bytes, count);
  if (allowed.error != 0) {
    errno = allowed.error;
    return -1;
  }
  const ssize_t written = call(fd, bytes, allowed.bytes, offset);
  if (written > 0) {
    recorder->wrote(fd, static_cast<uint64_t>(offset),
                    std::string(static_cast<const char*>(bytes), static_cast<size_t>(written)));
  }
  return written;
}

int watched_sync(int (*call)(int), int fd) {
  DiskRecorder* recorder = recorder_of(fd);
  if (recorder == nullptr) {
    return call(fd);
  }
  if (const int error = recorder->allow_sync(fd); error != 0) {
    recorder->synced(fd, false);
    errno = error;
    return -1;
  }
  const int rc = call(fd);
  recorder->synced(fd, rc == 0);
  return rc;
}

int watched_resize(int (*call)(int, off_t), int fd, off_t bytes) {
  DiskRecorder* recorder = recorder_of(fd);
  if (refused([fd](DiskRecorder& r) { return r.allow_resize(fd); })) {
    return -1;
  }
  const int rc = call(fd, bytes);
  if (recorder != nullptr && rc == 0) {
    recorder->resized(fd, static_cast<uint64_t>(bytes));
  }
  return rc;
}

}  // namespace

CAIRN_WATCHED int open(const char* path, int flags, ...) {
  CAIRN_REAL(open, int(const char*, int, ...));
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  if (open_refused(AT_FDCWD, path, flags)) {
    return -1;
  }
  return opened(call_open(path, flags, mode), AT_FDCWD, path, flags);
}

CAIRN_WATCHED int open64(const char* path, int flags, ...) {
  CAIRN_REAL(open64, int(const char*, int, ...));
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  if (open_refused(AT_FDCWD, path, flags)) {
    return -1;
  }
  return opened(call_open64(path, flags, mode), AT_FDCWD, path, flags);
}

CAIRN_WATCHED int openat(int directory_fd, const char* path, int flags, ...) {
  CAIRN_REAL(openat, int(int, const char*, int, ...));
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  if (open_refused(directory_fd, path, flags)) {
    return -1;
  }
  return opened(call_openat(directory_fd, path, flags, mode), directory_fd, path, flags);
}

CAIRN_WATCHED int openat64(int directory_fd, const char* path, int flags, ...) {
  CAIRN_REAL(openat64, int(int, const char*, int, ...));
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  if (open_refused(directory_fd, path, flags)) {
    return -1;
  }
  return opened(call_openat64(directory_fd, path, flags, mode), directory_fd, path, flags);
}

// What the checked builds of the C library's headers call when the flags are no constant.
CAIRN_WATCHED int __open_2(const char* path, int flags) {
  CAIRN_REAL(__open_2, int(const char*, int));
  if (open_refused(AT_FDCWD, path, flags)) {
    return -1;
  }
  return opened(call___open_2(path, flags), AT_FDCWD, path, flags);
}

CAIRN_WATCHED int __openat_2(int directory_fd, const char* path, int flags) {
  CAIRN_REAL(__openat_2, int(int, const char*, int));
  if (open_refused(directory_fd, path, flags)) {
    return -1;
  }
  return opened(call___openat_2(directory_fd, path, flags), directory_fd, path, flags);
}

CAIRN_WATCHED int close(int fd) {
  CAIRN_REAL(close, int(int));
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr) {
    recorder->closed(fd);
  }
  return call_close(fd);
}

CAIRN_WATCHED ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  CAIRN_REAL(pwrite, PwriteFunction);
  return watched_pwrite(call_pwrite, fd, bytes, count, offset);
}

CAIRN_WATCHED ssize_t pwrite64(int fd, const void* bytes, size_t count, off_t offset) {
  CAIRN_REAL(pwrite64, PwriteFunction);
  return watched_pwrite(call_pwrite64, fd, bytes, count, offset);
}

CAIRN_WATCHED ssize_t write(int fd, const void* bytes, size_t count) {
  CAIRN_REAL(write, ssize_t(int, const void*, size_t));
  DiskRecorder* recorder = recorder_of(fd);
  if (recorder == nullptr) {
    return call_write(fd, bytes, count);
  }
  const DiskRecorder::Allowed allowed = recorder->allow_write(fd, bytes, count);
  if (allowed.error != 0) {
    errno = allowed.error;
    return -1;
  }
  const off_t offset = lseek(fd, 0, SEEK_CUR);
  const ssize_t written = call_write(fd, bytes, allowed.bytes);
  if (written > 0) {
    recorder->wrote(fd, static_cast<uint64_t>(offset),
                    std::string(static_cast<const char*>(bytes), static_cast<size_t>(written)));
  }
  return written;
}

CAIRN_WATCHED ssize_t writev(int fd, const iovec* parts, int count) {
  CAIRN_REAL(writev, ssize_t(int, const iovec*, int));
  DiskRecorder* recorder = recorder_of(fd);
  if (recorder == nullptr) {
    return call_writev(fd, parts, count);
  }
  std::string all;
  for (int i = 0; i < count; ++i) {
    all.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return write(fd, all.data(), all.size());
}

CAIRN_WATCHED ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  CAIRN_REAL(pwritev, ssize_t(int, const iovec*, int, off_t));
  if (recorder_of(fd) == nullptr) {
    return call_pwritev(fd, parts, count, offset);
  }
  std::string all;
  for (int i = 0; i < count; ++i) {
    all.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return pwrite(fd, all.data(), all.size(), offset);
}

CAIRN_WATCHED int fdatasync(int fd) {
  CAIRN_REAL(fdatasync, int(int));
  return watched_sync(call_fdatasync, fd);
}

CAIRN_WATCHED int fsync(int fd) {
  CAIRN_REAL(fsync, int(int));
  return watched_sync(call_fsync, fd);
}

CAIRN_WATCHED int ftruncate(int fd, off_t bytes) noexcept {
  CAIRN_REAL(ftruncate, int(int, off_t));
  return watched_resize(call_ftruncate, fd, bytes);
}

CAIRN_WATCHED int ftruncate64(int fd, off_t bytes) noexcept {
  CAIRN_REAL(ftruncate64, int(int, off_t));
  return watched_resize(call_ftruncate64, fd, bytes);
}

CAIRN_WATCHED int mkdir(const char* path, mode_t mode) noexcept {
  CAIRN_REAL(mkdir, int(const char*, mode_t));
  if (path_refused(DiskCall::kMakeDirectory, AT_FDCWD, path)) {
    return -1;
  }
  const int rc = call_mkdir(path, mode);
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && rc == 0) {
    recorder->made_directory(AT_FDCWD, path);
  }
  return rc;
}

CAIRN_WATCHED int mkdirat(int directory_fd, const char* path, mode_t mode) noexcept {
  CAIRN_REAL(mkdirat, int(int, const char*, mode_t));
  if (path_refused(DiskCall::kMakeDirectory, directory_fd, path)) {
    return -1;
  }
  const int rc = call_mkdirat(directory_fd, path, mode);
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && rc == 0) {
    recorder->made_directory(directory_fd, path);
  }
  return rc;
}

CAIRN_WATCHED int rename(const char* from, const char* to) noexcept {
  CAIRN_REAL(rename, int(const char*, const char*));
  if (path_refused(DiskCall::kRename, AT_FDCWD, from)) {
    return -1;
  }
  const int rc = call_rename(from, to);
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && rc == 0) {
    recorder->renamed(AT_FDCWD, from, AT_FDCWD, to);
  }
  return rc;
}

CAIRN_WATCHED int renameat(int from_fd, const char* from, int to_fd, const char* to) noexcept {
  CAIRN_REAL(renameat, int(int, const char*, int, const char*));
  if (path_refused(DiskCall::kRename, from_fd, from)) {
    return -1;
  }
  const int rc = call_renameat(from_fd, from, to_fd, to);
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && rc == 0) {
    recorder->renamed(from_fd, from, to_fd, to);
  }
  return rc;
}

CAIRN_WATCHED int unlink(const char* path) noexcept {
  CAIRN_REAL(unlink, int(const char*));
  if (path_refused(DiskCall::kRemove, AT_FDCWD, path)) {
    return -1;
  }
  const int rc = call_unlink(path);
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && rc == 0) {
    recorder->removed(AT_FDCWD, path);
  }
  return rc;
}

CAIRN_WATCHED int unlinkat(int directory_fd, const char* path, int flags) noexcept {
  CAIRN_REAL(unlinkat, int(int, const char*, int));
  if (path_refused(DiskCall::kRemove, directory_fd, path)) {
    return -1;
  }
  const int rc = call_unlinkat(directory_fd, path, flags);
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && rc == 0) {
    recorder->removed(directory_fd, path);
  }
  return rc;
}

CAIRN_WATCHED int rmdir(const char* path) noexcept {
  CAIRN_REAL(rmdir, int(const char*));
  if (path_refused(DiskCall::kRemove, AT_FDCWD, path)) {
    return -1;
  }
  const int rc = call_rmdir(path);
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && rc == 0) {
    recorder->removed(AT_FDCWD, path);
  }
  return rc;
}

CAIRN_WATCHED int remove(const char* path) noexcept {
  CAIRN_REAL(remove, int(const char*));
  if (path_refused(DiskCall::kRemove, AT_FDCWD, path)) {
    return -1;
  }
  const int rc = call_remove(path);
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr && rc == 0) {
    recorder->removed(AT_FDCWD, path);
  }
  return rc;
}

CAIRN_WATCHED void* mmap(void* address, size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  CAIRN_REAL(mmap, void*(void*, size_t, int, int, int, off_t));
  void* got = call_mmap(address, bytes, protection, flags, fd, offset);
  if (got != MAP_FAILED && fd >= 0 && offset == 0 && (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0) {
    if (DiskRecorder* recorder = recorder_of(fd); recorder != nullptr) {
      recorder->mapped(fd, got, bytes);
    }
  }
  return got;
}

CAIRN_WATCHED int munmap(void* address, size_t bytes) noexcept {
  CAIRN_REAL(munmap, int(void*, size_t));
  if (DiskRecorder* recorder = DiskRecorder::active(); recorder != nullptr) {
    recorder->unmapping(address);
  }
  return call_munmap(address, bytes);
}
