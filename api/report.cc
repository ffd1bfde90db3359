#include "api/report.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "api/structs.h"

namespace cairn::api {

namespace {

// Constant initialised and of fixed size: a failing call takes no memory, and nothing is to destroy when a thread ends.
struct LastError {
  cairn_error error;
  uint64_t next_index;
};
thread_local LastError g_last = {};

// Cut at a border of characters, so that the text stays UTF-8.
template <size_t N>
void copy_text(char (&to)[N], std::string_view from) {
  size_t n = std::min(from.size(), N - 1);
  if (n < from.size()) {
    while (n > 0 && (static_cast<unsigned char>(from[n]) & 0xc0u) == 0x80u) {
      --n;
    }
  }
  std::memcpy(to, from.data(), n);
  to[n] = '\0';
}

void begin(Status status) {
  g_last.error = cairn_error{};
  g_last.error.code = static_cast<int32_t>(status.code);
  g_last.error.os_errno = status.cause;
  g_last.error.index = g_last.next_index;
  g_last.next_index = 0;
}

}  // namespace

cairn_status report_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return report_literal({Code::kNoMemory, "no memory"});
  } catch (...) {
    return report_literal({Code::kInternal, "an exception that Cairn does not know: a bug"});
  }
}

cairn_status report_literal(Status status) noexcept {
  begin(status);
  copy_text(g_last.error.message, status.what);
  return g_last.error.code;
}

cairn_status report_failure(Status status) noexcept {
  begin(status);
  engine::ErrorDetail& detail = engine::error_detail();
  cairn_error& error = g_last.error;
  // A detail of another code is left from a failure inside that the call got over.
  if (detail.code == status.code) {
    error.reason = static_cast<int32_t>(detail.reason);
    error.needed = detail.needed;
    error.limit = detail.limit;
    error.owner_pid = detail.owner_pid;
    error.owner_alive = detail.owner_alive ? 1 : 0;
    error.key_bytes = static_cast<uint32_t>(detail.key.size());
    copy_text(error.key, detail.key);
    if (error.os_errno == 0) {
      error.os_errno = detail.cause;
    }
  }
  const bool says_more = detail.code == status.code && !detail.message.empty();
  copy_text(error.message, says_more ? std::string_view(detail.message) : std::string_view(status.what));
  if (error.message[0] == '\0') {
    copy_text(error.message, cairn_status_text(error.code));
  }
  detail.code = Code::kOk;
  return error.code;
}

void note_index(size_t index) noexcept { g_last.next_index = index; }

Status invalid(const char* message) { return {Code::kInvalidArgument, message}; }

}  // namespace cairn::api

extern "C" cairn_status cairn_last_error(cairn_error* error) noexcept {
  using cairn::api::g_last;
  if (error == nullptr || error->struct_bytes < sizeof(error->struct_bytes)) {
    return CAIRN_INVALID_ARGUMENT;  // asking for the last error does not replace it
  }
  const uint32_t theirs = error->struct_bytes;
  const size_t copied = std::min<size_t>(theirs, sizeof(cairn_error));
  std::memcpy(error, &g_last.error, copied);
  std::memset(reinterpret_cast<char*>(error) + copied, 0, theirs - copied);
  error->struct_bytes = theirs;
  return CAIRN_OK;
}

extern "C" cairn_status cairn_set_last_error(const cairn_error* error) noexcept {
  using cairn::api::g_last;
  cairn_error ours;
  if (error == nullptr || !cairn::api::read_struct(error, ours, "").ok() || !CAIRN_FAILED(ours.code) ||
      std::memchr(ours.key, 0, sizeof ours.key) == nullptr ||
      std::memchr(ours.message, 0, sizeof ours.message) == nullptr) {
    return cairn::api::report_literal(cairn::api::invalid("cairn_error: no error, or texts that do not end"));
  }
  g_last.error = ours;
  return ours.code;
}
