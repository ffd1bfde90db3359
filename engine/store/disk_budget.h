// How much of the disk a store may use, and the part that is held back for what gives space back (reserve.h).
//
// With a budget (disk_bytes_max) the reserve is its last MiB: only checkpoints and erases may grow into it, and the
// file goes when they do. Without one a full disk makes who gives space back use the file, and updates are refused
// until it is whole again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "cairn/status.h"
#include "engine/directory/reserve.h"
#include "engine/store/gate.h"

namespace cairn::engine {

class DiskBudget {
 public:
  /// `bytes_max`: 0 is no budget. `used_bytes`: of log, staging and tables now.
  DiskBudget(wal::Files& files, Gate& gate, uint64_t bytes_max, std::function<uint64_t()> used_bytes)
      : reserve_(files), gate_(gate), bytes_max_(bytes_max), used_bytes_(std::move(used_bytes)) {}

  /// At open: finds what an earlier owner left of the reserve. The budget counts from opened() on, for it keeps no
  /// store from being opened.
  Status find_reserve();
  void opened() { opening_ = false; }

  enum class Grows : uint8_t { kOther, kTables, kLog };
  /// kNoSpace: the budget is used up.
  Status may_grow(uint64_t bytes, Grows what);
  /// The log may begin a small segment where there is no room for a whole one.
  [[nodiscard]] bool small_segment_will_do() const { return opening_ || erasing_ > 0; }
  /// Gives a part of the reserve to who gives space back in the end. False: it was given before.
  bool use_reserve(Reserve::Part part);
  /// Makes the reserve whole if the disk has `others_bytes` more than that. Then updates are let in again.
  Status hold_reserve(uint64_t others_bytes);
  [[nodiscard]] uint64_t reserve_bytes() const { return reserve_.bytes(); }

  /// While one lives the log may use the reserve.
  class Erasing {
   public:
    explicit Erasing(DiskBudget& budget) : budget_(budget) { ++budget_.erasing_; }
    ~Erasing() { --budget_.erasing_; }
    Erasing(const Erasing&) = delete;
    Erasing& operator=(const Erasing&) = delete;

   private:
    DiskBudget& budget_;
  };

 private:
  [[nodiscard]] uint64_t budgeted_bytes() const;
  [[nodiscard]] bool may_hold_reserve() const;

  Reserve reserve_;
  Gate& gate_;
  const uint64_t bytes_max_;
  const std::function<uint64_t()> used_bytes_;
  bool opening_ = true;          // constant after open
  std::atomic<int> erasing_{0};  // calls that give space back in the end and found none
};

}  // namespace cairn::engine
