// Loaded by LD_PRELOAD: counts writes and syncs of regular files, in the order in which they begin.
#include "bench/compare/sync_counter.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>

namespace {

using cairn::bench::SyncCounters;

SyncCounters* counters() {
  static SyncCounters* const mapped = []() -> SyncCounters* {
    const char* path = std::getenv(cairn::bench::kSyncCounterVariable);
    const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      return nullptr;
    }
    void* at = mmap(nullptr, sizeof(SyncCounters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<SyncCounters*>(at);
  }();
  return mapped;
}

bool is_file(int fd) {
  struct stat s = {};
  return fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
}

void raise_to(std::atomic<uint64_t>& at, uint64_t v) {
  uint64_t seen = at.load();
  while (seen < v && !at.compare_exchange_weak(seen, v)) {
  }
}

template <class Call>
auto synced(Call&& call) {
  SyncCounters* c = counters();
  const uint64_t began = c == nullptr ? 0 : ++c->clock;
  const uint64_t appends = c == nullptr ? 0 : c->appends.load();
  const auto result = call();
  if (c != nullptr && result >= 0) {
    raise_to(c->last_sync_began, began);
    raise_to(c->last_sync_appends, appends);
    ++c->syncs;
  }
  return result;
}

template <class Call>
auto written(int fd, Call&& call) {
  SyncCounters* c = counters();
  if (c == nullptr || !is_file(fd)) {
    return call();
  }
  ++c->clock;
  ++c->appends;
  if ((fcntl(fd, F_GETFL) & (O_SYNC | O_DSYNC)) != 0) {
    return synced(call);
  }
  return call();
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) ssize_t write(int fd, const void* from, size_t bytes) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return written(fd, [&] { return real(fd, from, bytes); });
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void* from, size_t bytes, off_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return written(fd, [&] { return real(fd, from, bytes, at); });
}

__attribute__((visibility("default"))) ssize_t pwrite64(int fd, const void* from, size_t bytes, off64_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return written(fd, [&] { return real(fd, from, bytes, at); });
}

__attribute__((visibility("default"))) ssize_t writev(int fd, const iovec* from, int count) {
  static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
  return written(fd, [&] { return real(fd, from, count); });
}

__attribute__((visibility("default"))) ssize_t pwritev(int fd, const iovec* from, int count, off_t at) {
  static const auto real = next<ssize_t (*)(int, const iovec*, int, off_t)>("pwritev");
  return written(fd, [&] { return real(fd, from, count, at); });
}

__attribute__((visibility("default"))) int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  return synced([&] { return real(fd); });
}

__attribute__((visibility("default"))) int fdatasync(int fd) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return synced([&] { return real(fd); });
}

__attribute__((visibility("default"))) int msync(void* at, size_t bytes, int flags) {
  static const auto real = next<int (*)(void*, size_t, int)>("msync");
  return (flags & MS_SYNC) != 0 ? synced([&] { return real(at, bytes, flags); }) : real(at, bytes, flags);
}

}  // extern "C"
