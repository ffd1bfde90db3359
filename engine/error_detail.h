// What the last failed call of this thread can say beyond its code.
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
  bool owner_elsewhere = false;  // in another pid namespace, where owner_pid would be another process
  Reason reason{};               // for kUnapplied
  std::string key;
  std::string message;  // says what to do
};

ErrorDetail& error_detail();

/// Fills the detail and returns the status: `return fail(Status(...), "key", "message")`.
Status fail(Status status, std::string_view message, std::string_view key = {});
Status fail(Status status, const char* message, std::string_view key = {});
Status fail_too_large(std::string_view key, uint64_t needed, uint64_t limit);
Status fail_unapplied(std::string_view key, Reason reason);

}  // namespace cairn::engine
