#include "engine/records/run_status.h"

#include <algorithm>
#include <array>

namespace cairn::engine {

namespace {

constexpr std::array<const char*, kRunStatuses> kStatusNames = {
    "PENDING_VERSION", "QUEUED",  "DEQUEUED",       "EXECUTING", "WAITING", "COMPLETED", "CANCELED",
    "FAILED",          "CRASHED", "SYSTEM_FAILURE", "DELAYED",   "EXPIRED", "TIMED_OUT"};

constexpr std::array<const char*, kTriggerFunctions> kTriggerFunctionNames = {"trigger", "triggerAndWait",
                                                                              "batchTrigger", "batchTriggerAndWait"};

}  // namespace

const char* status_name(RunStatus s) {
  const auto i = static_cast<size_t>(s);
  return i < kStatusNames.size() ? kStatusNames[i] : "UNKNOWN";
}

bool status_from_name(std::string_view name, RunStatus& s) {
  const auto same = [](char a, char b) { return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b; };
  for (size_t i = 0; i < kStatusNames.size(); ++i) {
    const std::string_view known = kStatusNames[i];
    if (std::equal(name.begin(), name.end(), known.begin(), known.end(), same)) {
      s = static_cast<RunStatus>(i);
      return true;
    }
  }
  return false;
}

bool is_final(RunStatus s) {
  switch (s) {
    case RunStatus::kCompleted:
    case RunStatus::kCanceled:
    case RunStatus::kFailed:
    case RunStatus::kSystemFailure:
    case RunStatus::kExpired:
    case RunStatus::kTimedOut:
      return true;
    case RunStatus::kPendingVersion:
    case RunStatus::kQueued:
    case RunStatus::kDequeued:
    case RunStatus::kExecuting:
    case RunStatus::kWaiting:
    case RunStatus::kCrashed:
    case RunStatus::kDelayed:
      return false;
  }
  return false;
}

const char* trigger_function_name(TriggerFunction f) {
  const auto i = static_cast<size_t>(f);
  return i < kTriggerFunctionNames.size() ? kTriggerFunctionNames[i] : "unknown";
}

bool trigger_function_from_name(std::string_view name, TriggerFunction& f) {
  const auto* const found = std::find(kTriggerFunctionNames.begin(), kTriggerFunctionNames.end(), name);
  f = static_cast<TriggerFunction>(found - kTriggerFunctionNames.begin());
  return found != kTriggerFunctionNames.end();
}

}  // namespace cairn::engine
