#include "engine/store/preallocation.h"

#include <string>

namespace cairn::engine {

Status Preallocation::prepare_log(int64_t now_ms) {
  const bool due = now_ms >= retry_.at_ms() && growth_.written_bytes() >= segment_bytes_ / 2;
  return due ? writer_.prepare_spare() : Status();
}

Status Preallocation::prepare_staging(int64_t now_ms) {
  return now_ms >= retry_.at_ms() && log_.stages() ? staging_->prepare() : Status();
}

void Preallocation::note(const Status& prepared, int64_t now_ms) {
  if (!prepared.ok() && !retry_.has_failed()) {
    write_log(hooks_, LogLevel::kWarning, prepared.code,
              std::string("no space could be preallocated for the log or for staging (") + prepared.what +
                  "): updates go on, slower");
  }
  if (now_ms >= retry_.at_ms()) {
    retry_.note(prepared.ok(), now_ms);
  }
}

}  // namespace cairn::engine
