// Guards staging against SIGBUS. Staging files are mapped: if the file is truncated, or the disk fails, writing to the
// mapping raises SIGBUS. A guarded store survives that: the handler maps an anonymous page over the faulting one, notes
// the hit and closes the store's gate for the hot path; everything goes on from memory, without staging.
//
// The handler takes no lock. It handles only faults in the guarded ranges of this process; any other SIGBUS goes to the
// handler that was there before, or to the default action. LMDB's map is not guarded.
#pragma once

#include <signal.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "cairn/status.h"

namespace cairn::engine {

class SigbusGuard {
 public:
  /// A hit changes `gate` from 0 to `failed`. The first guard of the process installs the handler.
  static Result<std::unique_ptr<SigbusGuard>> install(std::atomic<int32_t>& gate, int32_t failed);
  /// The last guard of the process restores the handler that was there before, if ours is still installed.
  ~SigbusGuard();
  SigbusGuard(const SigbusGuard&) = delete;
  SigbusGuard& operator=(const SigbusGuard&) = delete;

  /// Memory is guarded while this object lives. Destroy it before the memory is unmapped.
  class Range {
   public:
    Range() = default;
    Range(Range&& other) noexcept;
    Range& operator=(Range&& other) noexcept;
    ~Range();

   private:
    friend class SigbusGuard;
    explicit Range(int index) : index_(index) {}
    int index_ = -1;
  };
  /// kNoMemory: more than 1,024 in this process.
  Result<Range> guard(void* memory, size_t bytes);

  /// A page was replaced: the guarded memory must not be read any more. Once true, it stays true.
  [[nodiscard]] bool hit() const { return hit_.load(std::memory_order_acquire); }

 private:
  SigbusGuard(std::atomic<int32_t>& gate, int32_t failed);
  static void handle(int signal, siginfo_t* info, void* context);

  std::atomic<bool> hit_{false};  // set by the handler
  std::atomic<int32_t>& gate_;
  const int32_t failed_;
  const int pid_;
};

}  // namespace cairn::engine
