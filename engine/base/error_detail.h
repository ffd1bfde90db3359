// Details of the last failed call of this thread, beyond its code.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::engine {

enum class Reason : uint8_t;

struct ErrorDetail {
  Code code = Code::kOk;
  int32_t cause = 0;    // errno or MDB_*
  uint64_t needed = 0;  // bytes, for kTooLarge
  uint64_t limit = 0;
  uint64_t owner_pid = 0;  // for kBusy
  bool owner_alive = false;
  bool owner_elsewhere = false;  // the owner is in another pid namespace, where owner_pid would mean another process
  Reason reason{};               // for kUnapplied
  std::string key;
  std::string message;  // says what to do
};

ErrorDetail& error_detail();

/// What fail() said of the status on this thread; else what it says by itself, with the system's reason.
std::string error_text(const Status& status);

/// Fills the detail and returns the status: `return fail(Status(...), "message", key)`.
Status fail(Status status, std::string_view message, std::string_view key = {});
Status fail(Status status, const char* message, std::string_view key = {});
/// The message is "what: why.what".
Status fail_with_cause(const char* what, Status why, std::string_view key = {});
Status fail_too_large(std::string_view key, uint64_t needed, uint64_t limit);

}  // namespace cairn::engine
