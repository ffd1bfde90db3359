// The thread's last error: makes it from a Status and the engine's detail, for cairn_last_error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cairn/cairn.h"
#include "cairn/status.h"
#include "engine/base/error_detail.h"

namespace cairn::api {

/// Keeps the detail and returns the code. Not inlined, because calls that fail are rare.
cairn_status report_failure(Status status) noexcept;

/// Converts to the code of the ABI. Keeps an error for cairn_last_error, with the engine's detail if that has the same
/// code.
inline cairn_status report(Status status) noexcept {
  if (status.worked()) [[likely]] {
    return static_cast<cairn_status>(status.code);
  }
  return report_failure(status);
}

/// As report, but allocates nothing and ignores the engine's detail.
cairn_status report_literal(Status status) noexcept;

/// Reports the exception that is being handled as an error. One function, because every function of the ABI needs it.
cairn_status report_exception() noexcept;

/// Sets the index of the next error that is reported on this thread.
void note_index(size_t index) noexcept;

/// The thread's last error.
cairn_error& thread_error() noexcept;

/// Sets run and key of the thread's last error, and puts them before its message. `key` null: keeps the error's key.
void name_in_error(std::string_view run, std::string_view key = {}) noexcept;

/// kInvalidArgument; `message` names the parameter or option that is wrong.
Status invalid(const char* message);

}  // namespace cairn::api
