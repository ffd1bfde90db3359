#include "engine/base/error_detail.h"

#include <system_error>
#include <utility>

#include "engine/base/thread_object.h"

namespace cairn::engine {

ErrorDetail& error_detail() { return thread_object<ErrorDetail>(); }

std::string error_text(const Status& status) {
  const ErrorDetail& detail = error_detail();
  if (detail.code == status.code && !detail.message.empty()) {
    return detail.message;
  }
  std::string out = status.what;
  if (status.cause > 0) {
    out += (out.empty() ? "" : ": ") + std::generic_category().message(status.cause);
  }
  return out;
}

Status fail(Status status, std::string_view message, std::string_view key) {
  std::string kept(message);  // the message may point into the detail itself
  ErrorDetail& detail = error_detail();
  detail = ErrorDetail();
  detail.code = status.code;
  detail.cause = status.cause;
  detail.message = std::move(kept);
  detail.key = key;
  return status;
}

Status fail(Status status, const char* message, std::string_view key) {
  return fail(status, std::string_view(message), key);
}

Status fail_with_cause(const char* what, Status why, std::string_view key) {
  return fail(why, std::string(what) + ": " + why.what, key);
}

Status fail_too_large(std::string_view key, uint64_t needed, uint64_t limit) {
  const Status status(Code::kTooLarge, "the metadata would exceed its limit");
  // A path that would make too many nulls or copies is refused before the bytes are counted.
  const std::string what =
      needed == 0 ? "the path would make more nulls or copies than fit: " : "the metadata would be ";
  const std::string size = needed == 0 ? "" : std::to_string(needed) + " bytes of JSON, ";
  (void)fail(status,
             what + size + "the limit is " + std::to_string(limit) + (needed == 0 ? " bytes of JSON" : "") +
                 "; nothing changed",
             key);
  error_detail().needed = needed;
  error_detail().limit = limit;
  return status;
}

}  // namespace cairn::engine
