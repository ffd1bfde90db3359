#include "wal/commit_group.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <new>

namespace cairn::wal {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) && std::atomic<uint32_t>::is_always_lock_free,
              "the futex is the atomic itself");

void CommitGroups::wait(Group& group) {
  while (group.done.load(std::memory_order_acquire) == 0) {
    // Returns at once when `done` has changed meanwhile; a spurious wake-up is caught by the loop.
    (void)::syscall(SYS_futex, &group.done, FUTEX_WAIT_PRIVATE, 0u, nullptr, nullptr, 0);
  }
}

void CommitGroups::finish(Group& group, Status status) {
  group.status = status;
  group.done.store(1, std::memory_order_release);
  (void)::syscall(SYS_futex, &group.done, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

Status CommitGroups::join(const FunctionRef<Status()>& lead) {
  std::shared_ptr<Group> group;
  std::shared_ptr<Group> before;
  bool leads = false;
  bool alone = false;  // no memory for a group: sync alone, so that what is written is still acknowledged
  {
    const MutexLock lock(mutex_);
    if (forming_ == nullptr) {
      try {
        forming_ = std::make_shared<Group>();
      } catch (const std::bad_alloc&) {
        alone = true;
      }
      before = running_;
      leads = true;
    }
    group = forming_;
  }
  if (alone) {
    return lead();
  }
  if (!leads) {
    wait(*group);
    return group->status;
  }
  if (before != nullptr) {
    wait(*before);
  }
  {
    const MutexLock lock(mutex_);
    running_ = std::move(forming_);
    forming_ = nullptr;
  }
  Status status;
  try {
    status = lead();
  } catch (const std::bad_alloc&) {
    status = {Code::kNoMemory, "no memory for the sync"};  // no caller may wait for ever
  }
  finish(*group, status);
  return status;
}

}  // namespace cairn::wal
