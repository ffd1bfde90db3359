// Functions that the host may supply: log, clock, random bytes, files. The defaults use the operating system
// (os_hooks.cc).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "wal/files.h"

namespace cairn::engine {

enum class LogLevel : int32_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

/// A test may stop the process here: after each store of this kind into a mapped staging file.
struct StagingSeam {
  enum class Point : uint8_t { kSlotHeader, kPayload, kChecksum, kSequence, kFileState, kChunkClass, kSlotState };
  void (*stored)(void* context, Point point, const char* address, size_t bytes) = nullptr;
  void* context = nullptr;
};

struct Hooks {
  void* context = nullptr;
  /// May be null: nothing is logged. Called on the thread that has the event to log; must not call back into the store.
  void (*log)(void* context, LogLevel level, Code code, const char* message) = nullptr;
  /// Wall clock, microseconds since 1970. It is stored as data; only retention by age and unsynced_ms_max are decided
  /// by it. It must be cheap: called on every update.
  int64_t (*wall_us)(void* context) = nullptr;
  /// Monotonic milliseconds, which count while the machine sleeps.
  int64_t (*monotonic_ms)(void* context) = nullptr;
  void (*random_bytes)(void* context, void* out, size_t bytes) = nullptr;

  // Seams of the tests.
  wal::Files* files = nullptr;        // not owned; null: the operating system's
  std::array<uint8_t, 16> boot_id{};  // with has_boot_id: used instead of the kernel's
  bool has_boot_id = false;
  StagingSeam staging;
};

/// Sets functions that are null to the operating system's: CLOCK_REALTIME_COARSE, CLOCK_BOOTTIME, getrandom or, if that
/// is refused, /dev/urandom. kIo: neither gives random bytes; a caller that only reads may ignore that.
Status complete_hooks(Hooks& hooks);

/// Says it to the host's log, if it has one.
void write_log(const Hooks& hooks, LogLevel level, Code code, const char* message);
inline void write_log(const Hooks& hooks, LogLevel level, Code code, const std::string& message) {
  write_log(hooks, level, code, message.c_str());
}

/// The kernel's boot id as 16 bytes; all zero when it cannot be read.
std::array<uint8_t, 16> read_boot_id();
/// Inode of this process's pid namespace, 0 when unknown.
uint64_t read_pid_namespace();

}  // namespace cairn::engine
