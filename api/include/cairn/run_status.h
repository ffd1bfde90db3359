// What an update survives, and how far a run is.
#ifndef CAIRN_RUN_STATUS_H
#define CAIRN_RUN_STATUS_H

#include <cstdint>
#include <string_view>

#include "cairn/cairn.h"

namespace cairn {

/// What a call survives once it has returned.
enum class Durability : int32_t {
  kDefault = CAIRN_DURABILITY_DEFAULT,    // the class of the store
  kProcess = CAIRN_DURABILITY_PROCESS,    // kill -9, abort, out of memory; power loss takes what no flush covered
  kPower = CAIRN_DURABILITY_POWER,        // also power loss and a kernel crash; about 100 us
  kUpstream = CAIRN_DURABILITY_UPSTREAM,  // also the loss of this machine: waits for the upstream
};

enum class RunStatus : int32_t {
  kPendingVersion = CAIRN_RUN_PENDING_VERSION,
  kQueued = CAIRN_RUN_QUEUED,
  kDequeued = CAIRN_RUN_DEQUEUED,
  kExecuting = CAIRN_RUN_EXECUTING,
  kWaiting = CAIRN_RUN_WAITING,
  kCompleted = CAIRN_RUN_COMPLETED,
  kCanceled = CAIRN_RUN_CANCELED,
  kFailed = CAIRN_RUN_FAILED,
  kCrashed = CAIRN_RUN_CRASHED,
  kSystemFailure = CAIRN_RUN_SYSTEM_FAILURE,
  kDelayed = CAIRN_RUN_DELAYED,
  kExpired = CAIRN_RUN_EXPIRED,
  kTimedOut = CAIRN_RUN_TIMED_OUT,
};
/// "COMPLETED".
inline std::string_view name(RunStatus status) {
  const char* text = cairn_run_status_name(static_cast<int32_t>(status));
  return text == nullptr ? "" : text;
}

}  // namespace cairn

#endif  // CAIRN_RUN_STATUS_H
