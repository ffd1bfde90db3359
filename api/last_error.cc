// The calls with which hosts read and set the thread's last error.
#include <algorithm>
#include <cstring>

#include "api/report.h"
#include "api/structs.h"

extern "C" cairn_status cairn_last_error(cairn_error* error) noexcept {
  if (error == nullptr || error->struct_bytes < sizeof(error->struct_bytes)) {
    return CAIRN_INVALID_ARGUMENT;  // this call must not replace the last error
  }
  const uint32_t theirs = error->struct_bytes;
  const size_t copied = std::min<size_t>(theirs, sizeof(cairn_error));
  std::memcpy(error, &cairn::api::thread_error(), copied);
  std::memset(reinterpret_cast<char*>(error) + copied, 0, theirs - copied);
  error->struct_bytes = theirs;
  return CAIRN_OK;
}

extern "C" cairn_status cairn_set_last_error(const cairn_error* error) noexcept {
  cairn_error ours;
  if (error == nullptr || !cairn::api::read_struct(error, ours, "").ok() || !CAIRN_FAILED(ours.code) ||
      std::memchr(ours.key, 0, sizeof ours.key) == nullptr ||
      std::memchr(ours.message, 0, sizeof ours.message) == nullptr ||
      std::memchr(ours.run, 0, sizeof ours.run) == nullptr) {
    return cairn::api::report_literal(cairn::api::invalid(
        "cairn_error: a null pointer, a wrong struct_bytes, a code below 16, or a text without NUL"));
  }
  cairn::api::thread_error() = ours;
  return ours.code;
}
