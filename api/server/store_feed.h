// In which order the runs of a store changed, as far as this process has seen: positions in sets of runs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/store/store.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

namespace cairn::server {

class StoreFeed {
 public:
  StoreFeed(engine::Store& store, size_t history_max);
  ~StoreFeed();
  StoreFeed(const StoreFeed&) = delete;
  StoreFeed& operator=(const StoreFeed&) = delete;

  void on_change(std::function<void()> hint);
  /// Calls the hint.
  void nudge();
  /// A feed of another name, without a history.
  void restart();

  struct Look {
    std::string feed;
    uint64_t number = 0;  // of the newest change
    bool known = true;    // false: what came after the number that was asked for is not known any more
  };
  /// Reads a run; returns its sequence, 0 if it is none of those that are looked for, or kEnough if no more are.
  static constexpr uint64_t kEnough = UINT64_MAX;
  using Fetch = FunctionRef<Result<uint64_t>(const std::string& id, uint64_t number)>;
  /// What changed after `number` of the feed `feed`. Each run is fetched, with the number of the change that it is
  /// fetched with: what is fetched is neither older than `number` of the look nor told once more after it. Cost: of the
  /// runs that changed since the last look, and of the fetches.
  Result<Look> look(const std::string& feed, uint64_t number, const Fetch& fetch);
  /// Where the feed is after `read`; what changed while it read is fetched. Not known: so much changed meanwhile that it
  /// is to be read again.
  using Read = FunctionRef<Status()>;
  Result<Look> snapshot(const Read& read, const Fetch& fetch);
  /// Where the feed is now.
  Look now();

  [[nodiscard]] uint64_t visited() const { return visited_.load(std::memory_order_relaxed); }

 private:
  struct Last {
    uint64_t number = 0;
    uint64_t version = 0;  // of the run
  };
  void collect() CAIRN_REQUIRES(mutex_);
  void take_changed() CAIRN_REQUIRES(mutex_);
  /// False: no more are looked for.
  Result<bool> fetch_as_it_is(const std::string& id, const Fetch& fetch) CAIRN_REQUIRES(mutex_);
  [[nodiscard]] std::vector<std::string> changed_after(uint64_t number) const CAIRN_REQUIRES(mutex_);
  void begin() CAIRN_REQUIRES(mutex_);

  engine::Store& store_;
  const size_t history_max_;
  std::atomic<uint64_t> visited_{0};

  Mutex hint_mutex_{LockRank::kFeedHint};
  std::function<void()> hint_ CAIRN_GUARDED_BY(hint_mutex_);

  Mutex mutex_{LockRank::kStoreFeed};
  std::string name_ CAIRN_GUARDED_BY(mutex_);
  uint64_t number_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::deque<std::pair<uint64_t, std::string>> history_ CAIRN_GUARDED_BY(mutex_);
  uint64_t forgotten_ CAIRN_GUARDED_BY(mutex_) = 0;  // the last number that is not in the history any more
  std::unordered_map<std::string, Last> last_ CAIRN_GUARDED_BY(mutex_);
};

/// An update that is only staged gives no hint by itself: this gives one when it goes out of scope.
class NudgeAtEnd {
 public:
  explicit NudgeAtEnd(StoreFeed& feed) : feed_(feed) {}
  ~NudgeAtEnd() { feed_.nudge(); }
  NudgeAtEnd(const NudgeAtEnd&) = delete;
  NudgeAtEnd& operator=(const NudgeAtEnd&) = delete;

 private:
  StoreFeed& feed_;
};

}  // namespace cairn::server
