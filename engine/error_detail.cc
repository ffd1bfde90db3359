#include "engine/error_detail.h"

#include "engine/operation.h"
#include "engine/thread_object.h"

namespace cairn::engine {

ErrorDetail& error_detail() { return thread_object<ErrorDetail>(); }

Status fail(Status status, std::string_view message, std::string_view key) {
  std::string kept(message);  // the message may be of the detail itself
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

Status fail_too_large(std::string_view key, uint64_t needed, uint64_t limit) {
  const Status status(Code::kTooLarge, "the metadata would exceed its limit");
  // A path that would make too many nulls or copies is refused before anybody counts the bytes.
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

Status fail_unapplied(std::string_view key, Reason reason) {
  const Status status(Code::kUnapplied, reason_text(reason));
  (void)fail(status, reason_text(reason), key);
  error_detail().reason = reason;
  return status;
}

}  // namespace cairn::engine
