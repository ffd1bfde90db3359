// What the numbers of runs were, for sparklines: sampled in steps from the runs that changed, kept in memory.
//
// Invariants:
// - a run has at most history_points points in a ring, of all its numeric top-level keys together; the oldest go first;
// - a key has at most one point an interval, and none where it did not change;
// - there are at most as many runs as kBytesMax of full rings allow; the one that was sampled longest ago goes first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/hooks.h"
#include "engine/store/run.h"
#include "engine/store/run_views.h"
#include "engine/store/step_listeners.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

namespace cairn::engine {

class History final : public StepListener {
 public:
  static constexpr uint32_t kPointsMax = 65'536;
  static constexpr size_t kKeysMax = 64;          // of one run: further keys have no history
  static constexpr size_t kKeyBytesMax = 256;     // nor have keys with longer names
  static constexpr size_t kBytesMax = 32u << 20;  // of all rings; the names of keys come on top

  /// `points`: of one run.
  History(const Hooks& hooks, uint32_t interval_ms, uint32_t points, const RunViews& views);

  [[nodiscard]] uint32_t interval_ms() const override { return interval_ms_; }
  bool stepped() override;

  /// Calls visit(time_us, value) with what is kept of `key`, oldest first. Nothing is kept of a run that was never
  /// sampled, or that was erased.
  void each(std::string_view run, uint64_t created_lsn, std::string_view key,
            const FunctionRef<void(int64_t time_us, double value)>& visit);
  [[nodiscard]] size_t runs();

 private:
  struct Point {
    int64_t time_us;
    double value;
    uint32_t key;
  };
  struct Key {
    std::string name;
    double last;
  };
  struct Kept {
    uint64_t created_lsn = 0;
    uint64_t sequence = 0;  // of the run at its last sample
    uint64_t sampled = 0;   // grows with each sample of any run
    std::vector<Key> keys;
    std::vector<Point> ring;  // grows up to points_
    size_t next = 0;          // of a full ring: the oldest
  };

  void sample(const Run& run, int64_t now_us) CAIRN_REQUIRES(mutex_, run.lock);
  void put(Kept& kept, std::string_view name, double value, int64_t now_us);
  void make_room() CAIRN_REQUIRES(mutex_);

  const Hooks& hooks_;
  const RunViews& views_;
  const uint32_t interval_ms_;
  const size_t points_;
  const size_t runs_max_;

  Mutex mutex_{LockRank::kHistory};
  std::unordered_map<std::string, Kept> kept_ CAIRN_GUARDED_BY(mutex_);
  uint64_t samples_ CAIRN_GUARDED_BY(mutex_) = 0;
  uint64_t seen_lsn_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::engine
