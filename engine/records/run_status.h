// What state a run is in.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::engine {

/// Values are stored; never renumbered. The names are the model's.
enum class RunStatus : uint8_t {
  kPendingVersion = 0,
  kQueued = 1,
  kDequeued = 2,
  kExecuting = 3,
  kWaiting = 4,
  kCompleted = 5,
  kCanceled = 6,
  kFailed = 7,
  kCrashed = 8,
  kSystemFailure = 9,
  kDelayed = 10,
  kExpired = 11,
  kTimedOut = 12,
};
inline constexpr size_t kRunStatuses = 13;
const char* status_name(RunStatus s);                        // "EXECUTING"
bool status_from_name(std::string_view name, RunStatus& s);  // in either case
/// COMPLETED, CANCELED, FAILED, SYSTEM_FAILURE, EXPIRED, TIMED_OUT: no more updates. CRASHED can be resumed.
bool is_final(RunStatus s);

/// How a run came to be triggered. Values are stored; never renumbered.
enum class TriggerFunction : uint8_t {
  kTrigger = 0,
  kTriggerAndWait = 1,
  kBatchTrigger = 2,
  kBatchTriggerAndWait = 3,
};
inline constexpr size_t kTriggerFunctions = 4;
const char* trigger_function_name(TriggerFunction f);  // "batchTrigger"
bool trigger_function_from_name(std::string_view name, TriggerFunction& f);

}  // namespace cairn::engine
