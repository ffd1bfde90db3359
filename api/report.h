// The thread's last error: from a Status and the engine's detail to what cairn_last_error hands out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cairn/cairn.h"
#include "cairn/status.h"
#include "engine/error_detail.h"

namespace cairn::api {

/// Out of line, because calls that fail are rare: keeps the detail and returns the code.
cairn_status report_failure(Status status) noexcept;

/// The code of the ABI. An error is kept for cairn_last_error, with the engine's detail if that is of the same code.
inline cairn_status report(Status status) noexcept {
  if (status.worked()) [[likely]] {
    return static_cast<cairn_status>(status.code);
  }
  return report_failure(status);
}

/// As report, but takes no memory and ignores the engine's detail.
cairn_status report_literal(Status status) noexcept;

/// The exception that is being handled, as an error. Once, because every function of the ABI ends in it.
cairn_status report_exception() noexcept;

/// Belongs to the error that is reported next on this thread, which takes it.
void note_index(size_t index) noexcept;

/// The thread's last error.
cairn_error& thread_error() noexcept;

/// Names run and key in the thread's last error and in front of its message. `key` null: the error's own stays.
void name_in_error(std::string_view run, std::string_view key = {}) noexcept;

/// Names the parameter or option that is wrong.
Status invalid(const char* message);

}  // namespace cairn::api
