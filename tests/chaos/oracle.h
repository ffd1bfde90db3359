// What a worker was about to do and what was acknowledged to it, in a file that both it and the test map: it survives
// SIGKILL of the worker, and is no part of the store.
//
// An operation is written whole, then begun (count), then called, then acknowledged. So at most one of each thread is
// open when the worker is killed; the test looks into the store which it was, and notes that here.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace cairn::tests {

enum class Step : uint8_t {
  kStart,      // run `life` of this thread; its parent is parent_id(life)
  kIncrement,  // n by value
  kAppend,     // value to log
  kClear,      // log to []
  kSet,        // text to text_of(value)
  kDelete,     // text
  kParent,     // a transaction: own `told` + 1, and at the parent n + 1 and log_value() to log
  kFinish,
  kErase,
};
enum class Fate : uint8_t { kOpen, kAcknowledged, kTook, kTookNot };

struct Entry {
  Step step;
  std::atomic<Fate> fate;
  uint32_t life;
  int64_t value;
};

inline constexpr uint32_t kOracleThreads = 2;
inline constexpr uint32_t kParents = 64;

struct Oracle {
  static constexpr uint32_t kEntries = 1u << 20;
  struct OfThread {
    std::atomic<uint32_t> count;
    std::array<Entry, kEntries> entries;
  };
  std::atomic<uint32_t> starts;  // of a worker on this oracle
  std::atomic<uint32_t> pause, stop;
  std::atomic<uint32_t> messages, failures;
  std::atomic<uint32_t> wrong;
  char what[512];  // of the first wrong thing
  std::array<OfThread, kOracleThreads> threads;

  /// Of a file, made if it is not there; stays mapped as long as the process lives.
  static Oracle* map(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(Oracle)) != 0) {
      return nullptr;
    }
    void* at = mmap(nullptr, sizeof(Oracle), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<Oracle*>(at);
  }
};

inline std::string run_id(uint32_t thread, uint32_t life) {
  return "t" + std::to_string(thread) + "-" + std::to_string(life);
}
inline std::string parent_id(uint32_t life) { return "parent-" + std::to_string(life % kParents); }
/// In a parent's log, where both threads append.
inline int64_t log_value(uint32_t thread, int64_t value) { return value * kOracleThreads + thread; }
inline std::string text_of(int64_t value) {
  return std::string(static_cast<size_t>(value % 97), 'x') + std::to_string(value);
}

}  // namespace cairn::tests
