// Gathers callers that wait for the same sync: one leads, the others sleep on the group's own futex word. (With 64
// waiting threads the wake-ups are the limit: one condition variable for all gave 73-93k commits/s, a word for each
// group 182-195k.)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "cairn/status.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

namespace cairn::wal {

class CommitGroups {
 public:
  /// Joins the group that is forming. Its leader waits until the group before is done, closes the group and calls
  /// `lead` once for all; callers that arrive meanwhile form the next group. So groups end in order. Returns the result
  /// of `lead`.
  Status join(const FunctionRef<Status()>& lead);

 private:
  struct Group {
    std::atomic<uint32_t> done{0};
    Status status;  // written before `done`
  };

  static void wait(Group& group);
  static void finish(Group& group, Status status);

  Mutex mutex_{LockRank::kCommitGroups};
  std::shared_ptr<Group> forming_ CAIRN_GUARDED_BY(mutex_);  // null: the next caller leads
  std::shared_ptr<Group> running_ CAIRN_GUARDED_BY(mutex_);  // the last group that was closed; null at first
};

}  // namespace cairn::wal
