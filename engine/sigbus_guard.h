// Staging is mapped: when its file is truncated, or the disk below fails, a store into it is a SIGBUS. A guarded store
// survives that: the process's handler maps an anonymous page over the faulting one, notes the hit and closes the
// store's gate for the hot path, and everything goes on from memory, without staging.
//
// The handler takes no lock. It looks at the guarded ranges of this process only; any other SIGBUS goes to the handler
// that was there before, or to the default action. LMDB's map is not guarded.
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
  /// A hit turns `gate` from 0 to `failed`. Installs the handler with the first guard of the process.
  static Result<std::unique_ptr<SigbusGuard>> install(std::atomic<int32_t>& gate, int32_t failed);
  /// With the last guard of the process the handler that was there before is put back, if ours is still the one.
  ~SigbusGuard();
  SigbusGuard(const SigbusGuard&) = delete;
  SigbusGuard& operator=(const SigbusGuard&) = delete;

  /// Guarded memory, until the object goes: before the memory is unmapped.
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

  /// A page was replaced: what stands in the guarded memory is not to be read any more. Never false again.
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
