#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "engine/base/error_detail.h"
#include "engine/base/hooks.h"
#include "wal/descriptor.h"
#include "wal/xxh3.h"

namespace cairn::engine {

namespace {

int64_t os_wall_us(void*) {
  timespec t;
  clock_gettime(CLOCK_REALTIME_COARSE, &t);  // 2.7 ns against 21; moves every few milliseconds
  return static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}

int64_t os_monotonic_ms(void*) {
  timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1'000'000;
}

// Source of random bytes if a sandbox refuses getrandom. The first store that needs it opens it, and it stays open, so
// that a sandbox that is set up later cannot refuse it. Below 0: getrandom is used.
std::atomic<int> g_random_file{-1};
// Random bytes of the kernel, read at the first open, in case both sources fail later.
std::atomic<uint64_t> g_random_seed{0};

template <class Call>
bool fill(char* at, size_t bytes, const Call& call) {
  while (bytes > 0) {
    const ssize_t got = call(at, bytes);
    if (got <= 0 && !(got < 0 && errno == EINTR)) {
      return false;
    }
    at += std::max<ssize_t>(got, 0);
    bytes -= static_cast<size_t>(std::max<ssize_t>(got, 0));
  }
  return true;
}

bool fill_by_call(char* at, size_t bytes) {
  return fill(at, bytes, [](char* to, size_t count) { return ::getrandom(to, count, 0); });
}

bool fill_from_file(char* at, size_t bytes) {
  const int fd = g_random_file.load(std::memory_order_acquire);
  return fd >= 0 && fill(at, bytes, [fd](char* to, size_t count) { return ::read(fd, to, count); });
}

// Ids must differ between processes and calls; they are not secrets.
void fill_from_seed(char* at, size_t bytes) {
  static std::atomic<uint64_t> calls{0};
  while (bytes > 0) {
    timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    const uint64_t mixed[] = {g_random_seed.load(std::memory_order_relaxed), static_cast<uint64_t>(getpid()),
                              static_cast<uint64_t>(t.tv_sec), static_cast<uint64_t>(t.tv_nsec),
                              calls.fetch_add(1, std::memory_order_relaxed)};
    const uint64_t word = xxh3(mixed, sizeof mixed);
    const size_t count = std::min(bytes, sizeof word);
    std::memcpy(at, &word, count);
    at += count;
    bytes -= count;
  }
}

void os_random_bytes(void*, void* out, size_t bytes) {
  auto* at = static_cast<char*>(out);
  if (!fill_from_file(at, bytes) && !fill_by_call(at, bytes)) {
    fill_from_seed(at, bytes);
  }
}

Status choose_random() {
  uint64_t seed = 0;
  char* const at = reinterpret_cast<char*>(&seed);
  if (!fill_from_file(at, sizeof seed) && !fill_by_call(at, sizeof seed)) {
    const int fd = wal::above_standard(::open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    const int why = errno;
    struct stat s;
    if (fd < 0 || fstat(fd, &s) != 0 || !S_ISCHR(s.st_mode)) {
      if (fd >= 0) {
        ::close(fd);
      }
      return fail(Status(Code::kIo, "no random bytes", fd < 0 ? why : ENODEV),
                  "no random bytes: the system call getrandom is refused, and /dev/urandom cannot be opened");
    }
    int none = -1;
    if (!g_random_file.compare_exchange_strong(none, fd, std::memory_order_acq_rel)) {
      ::close(fd);  // another thread was faster
    }
    if (!fill_from_file(at, sizeof seed)) {
      return fail(Status(Code::kIo, "no random bytes", errno),
                  "no random bytes: the system call getrandom is refused, and /dev/urandom cannot be read");
    }
  }
  g_random_seed.store(seed, std::memory_order_relaxed);
  return {};
}

}  // namespace

Status complete_hooks(Hooks& hooks) {
  if (hooks.wall_us == nullptr) {
    hooks.wall_us = os_wall_us;
  }
  if (hooks.monotonic_ms == nullptr) {
    hooks.monotonic_ms = os_monotonic_ms;
  }
  if (hooks.random_bytes != nullptr) {
    return {};
  }
  hooks.random_bytes = os_random_bytes;
  return choose_random();
}

std::array<uint8_t, 16> read_boot_id() {
  std::array<uint8_t, 16> id{};
  const int fd = wal::above_standard(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (fd < 0) {
    return id;
  }
  char text[64] = {};
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  size_t nibbles = 0;
  for (ssize_t i = 0; i < got && nibbles < 32; ++i) {
    const char c = text[i];
    int v;
    if (c >= '0' && c <= '9') {
      v = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      v = c - 'a' + 10;
    } else {
      continue;
    }
    id[nibbles / 2] = static_cast<uint8_t>(id[nibbles / 2] << 4 | v);
    ++nibbles;
  }
  return nibbles == 32 ? id : std::array<uint8_t, 16>{};
}

uint64_t read_pid_namespace() {
  struct stat s;
  return stat("/proc/self/ns/pid", &s) == 0 ? s.st_ino : 0;
}

void write_log(const Hooks& hooks, LogLevel level, Code code, const char* message) {
  if (hooks.log != nullptr) {
    hooks.log(hooks.context, level, code, message);
  }
}

}  // namespace cairn::engine
