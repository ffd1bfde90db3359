// The page outside the store: what the worker was told is safe, written by the worker after each call returned, kept by
// its parent when the worker is killed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace cairn::demo {

inline constexpr size_t kThreads = 4;
inline constexpr size_t kRunsMax = 8192;
inline constexpr size_t kNanosecondsMax = 2048;

/// What one run was told. In the order of survey().
struct alignas(64) RunLine {
  std::atomic<uint64_t> acknowledged{0};  // sequence of the last update that returned
  std::atomic<uint64_t> files{0};         // the counters as of an update that returned
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> found{0};  // sequence that the worker found when it took the run up again
};

/// What one thread did in one life of the worker.
struct alignas(64) ThreadLine {
  std::atomic<uint64_t> updates{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> paused_ns{0};
  // Of the four updates of each block: time for all four, and how many took so many nanoseconds each.
  std::atomic<uint64_t> blocks{0};
  std::atomic<uint64_t> blocks_ns{0};
  std::array<std::atomic<uint32_t>, kNanosecondsMax> per_update_ns{};
};

struct Life {
  std::array<ThreadLine, kThreads> threads;
  std::atomic<uint64_t> elapsed_ns{0};  // 0: it did not come to its end
};

struct Page {
  std::atomic<uint64_t> clock_ns{0};  // what reading the clock twice takes; taken off the times above
  std::array<Life, 2> lives;          // before and after the kill
  std::array<RunLine, kRunsMax> runs;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

}  // namespace cairn::demo
