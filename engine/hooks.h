// What the engine takes from its host: log, clock, random bytes, files. The operating system's are the defaults
// (os_hooks.cc).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "cairn/status.h"
#include "engine/staged_slot.h"
#include "wal/files.h"

namespace cairn::engine {

enum class LogLevel : int32_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

struct Hooks {
  void* context = nullptr;
  /// May be null: nothing is logged. Called on the thread that met the event; must not call back into the store.
  void (*log)(void* context, LogLevel level, Code code, const char* message) = nullptr;
  /// Wall clock, microseconds since 1970. Data only: nothing is decided by it. Cheap: called on every update.
  int64_t (*wall_us)(void* context) = nullptr;
  /// Monotonic milliseconds that go on while the machine sleeps.
  int64_t (*monotonic_ms)(void* context) = nullptr;
  void (*random_bytes)(void* context, void* out, size_t bytes) = nullptr;

  // Seams of the tests.
  wal::Files* files = nullptr;        // not owned; null: the operating system's
  std::array<uint8_t, 16> boot_id{};  // with has_boot_id: instead of the kernel's
  bool has_boot_id = false;
  StagingSeam staging;
};

/// Fills what is null with the operating system's: CLOCK_REALTIME_COARSE, CLOCK_BOOTTIME, getrandom or, where that is
/// refused, /dev/urandom. kIo: neither gives random bytes; who only reads needs none.
Status complete_hooks(Hooks& hooks);

/// The kernel's boot id as 16 bytes; all zero when it cannot be read.
std::array<uint8_t, 16> read_boot_id();
/// Inode of this process's pid namespace, 0 when unknown.
uint64_t read_pid_namespace();

}  // namespace cairn::engine
