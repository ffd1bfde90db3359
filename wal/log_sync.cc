#include "wal/log_sync.h"

#include <cerrno>
#include <limits>

namespace cairn::wal {

Status LogSync::latch(Status cause) {
  const MutexLock lock(mutex_);
  latched_.store(true, std::memory_order_release);
  return cause;
}

Status LogSync::wait(uint64_t lsn, const FunctionRef<Status()>& lead) {
  if (durable_lsn() >= lsn) {
    return {};
  }
  if (latched()) {
    return {Code::kLatched, "an earlier error stopped the log"};
  }
  if (lsn > written_lsn()) {
    return {Code::kInvalidArgument, "no record of this LSN has been written"};
  }
  Status s = groups_.join(lead);
  return durable_lsn() >= lsn ? Status() : s;
}

Status LogSync::sync(File& file, uint64_t target_lsn) {
  return sync_unless_durable(std::numeric_limits<uint64_t>::max(), file, target_lsn);
}

Status LogSync::sync_unless_durable(uint64_t lsn, File& file, uint64_t target_lsn) {
  const MutexLock lock(mutex_);
  if (latched()) {
    return {Code::kIndeterminate, "an earlier error stopped the log"};
  }
  if (durable_lsn() >= lsn) {
    return {};  // a rotation's sync covered it
  }
  if (Status s = file.sync(); !s.ok()) {
    latched_.store(true, std::memory_order_release);
    return s.cause == ENOENT ? s : Status{Code::kIndeterminate, "the sync failed", s.cause};
  }
  syncs_.fetch_add(1, std::memory_order_relaxed);
  if (durable_lsn() < target_lsn) {
    durable_lsn_.store(target_lsn, std::memory_order_release);
  }
  return {};
}

}  // namespace cairn::wal
