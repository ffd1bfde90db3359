#include "engine/store/disk_budget.h"

#include <string>

#include "engine/base/error_detail.h"

namespace cairn::engine {

Status DiskBudget::find_reserve() {
  if (const Status s = reserve_.find(); !s.ok()) {
    return fail_with_cause("RESERVE", s);
  }
  if (reserve_.bytes() != 0 && !reserve_.is_whole() && bytes_max_ == 0) {
    gate_.keep_room();  // by the owner before, on a disk that was full
    return hold_reserve(0);
  }
  return {};
}

// Without the reserve file, which a budget counts as its last MiB.
uint64_t DiskBudget::budgeted_bytes() const {
  constexpr uint64_t kSmallFilesBytes = 96u << 10;  // STORE, LOCK, lock.mdb
  return kSmallFilesBytes + used_bytes_();
}

// A checkpoint or an erase may use the last MiB, because they give space back: the first half is the tables', so that
// the log always has room for an erase. Of a budget that MiB is the room of the reserve file, which then goes.
Status DiskBudget::may_grow(uint64_t bytes, Grows what) {
  const uint64_t budget = opening_ ? 0 : bytes_max_;
  const uint64_t wanted = budgeted_bytes() + bytes;
  if (budget == 0 || wanted + kReserveBytes <= budget) {
    return {};
  }
  if ((what == Grows::kTables && wanted + kReserveBytes / 2 <= budget) ||
      (what == Grows::kLog && erasing_ > 0 && wanted <= budget)) {
    reserve_.give_back(Reserve::Part::kAll);
    return {};
  }
  return {Code::kNoSpace, "the store's disk budget is used up"};
}

// Updates would eat the room that is made here: they wait until the reserve is whole again. A budget keeps them from it
// by itself: see may_grow.
bool DiskBudget::use_reserve(Reserve::Part part) {
  if (!reserve_.give_back(part)) {
    return false;
  }
  if (bytes_max_ == 0) {
    gate_.keep_room();
  }
  return true;
}

Status DiskBudget::hold_reserve(uint64_t others_bytes) {
  if (!may_hold_reserve()) {
    return {};
  }
  const Status held = reserve_.prepare(others_bytes);
  if (reserve_.is_whole()) {
    gate_.end_keeping_room();
  }
  return held;
}

bool DiskBudget::may_hold_reserve() const { return bytes_max_ == 0 || budgeted_bytes() + kReserveBytes <= bytes_max_; }

}  // namespace cairn::engine
