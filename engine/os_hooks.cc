#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "engine/hooks.h"

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

void os_random_bytes(void*, void* out, size_t bytes) {
  auto* at = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t got = getrandom(at, bytes, 0);
    if (got > 0) {
      at += got;
      bytes -= static_cast<size_t>(got);
    }
  }
}

}  // namespace

void complete_hooks(Hooks& hooks) {
  if (hooks.wall_us == nullptr) {
    hooks.wall_us = os_wall_us;
  }
  if (hooks.monotonic_ms == nullptr) {
    hooks.monotonic_ms = os_monotonic_ms;
  }
  if (hooks.random_bytes == nullptr) {
    hooks.random_bytes = os_random_bytes;
  }
}

std::array<uint8_t, 16> read_boot_id() {
  std::array<uint8_t, 16> id{};
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
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

}  // namespace cairn::engine
