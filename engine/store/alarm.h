// The timer that says when a step is due (Store::wait_fd): set by each step to the next deadline, and sooner by what
// makes one due.
//
// Nothing wakes an idle store: without something dirty or unsynced no flush is due, and what becomes dirty first sets
// the timer.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/hooks.h"
#include "engine/store/log_growth.h"
#include "engine/store/run_table.h"
#include "wal/function_ref.h"

namespace cairn::engine {

class Alarm {
 public:
  Alarm(const Hooks& hooks, const LogGrowth& growth, const RunTable& runs, uint32_t flush_interval_ms)
      : hooks_(hooks), growth_(growth), runs_(runs), flush_interval_ms_(flush_interval_ms) {}

  /// True: it is new, and has to be set. The same descriptor each time; below 0 if there is none.
  bool open();
  [[nodiscard]] int fd() const { return fd_; }
  /// Called once every caller that passed the gate has released its run's lock.
  void close();

  /// From a step: the deadlines of the flush, of the listeners, and of all else. `checkpoint_failed`: the next try has
  /// its time, and further growth of the log does not make it come sooner.
  void set(const FunctionRef<int64_t()>& other, const FunctionRef<int64_t()>& flush,
           const FunctionRef<int64_t()>& listeners, bool checkpoint_failed);
  /// Something became dirty, or was appended. With a run's lock held, or after an append: whoever holds one is waited
  /// for before close().
  void flush_may_be_due();
  /// Runs were added. As above.
  void eviction_may_be_due();
  /// The shortest interval of the listeners; 0: there are none.
  void listen(uint32_t interval_ms) { listen_ms_ = interval_ms; }
  [[nodiscard]] uint32_t listen_ms() const { return listen_ms_; }

 private:
  [[nodiscard]] int64_t now_ms() const { return hooks_.monotonic_ms(hooks_.context); }
  void set_timer(int64_t at) const;

  const Hooks& hooks_;
  const LogGrowth& growth_;
  const RunTable& runs_;
  const uint32_t flush_interval_ms_;
  std::atomic<int> fd_{-1};
  std::atomic<bool> no_flush_due_{false};     // what becomes dirty first sets the timer
  std::atomic<bool> no_listener_due_{false};  // likewise
  std::atomic<uint32_t> listen_ms_{0};
  std::atomic<int64_t> timer_ms_{0};         // what the timer is set to
  std::atomic<bool> growth_noted_{false};    // the timer was set because the log has grown
  std::atomic<bool> eviction_noted_{false};  // the timer was set for an eviction
};

}  // namespace cairn::engine
