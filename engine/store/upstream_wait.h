// Waits until the upstream has acknowledged. Somebody else drives the transport.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/store/flusher.h"
#include "engine/store/run_table.h"
#include "engine/store/upstream.h"
#include "engine/store/upstream_sender.h"
#include "wal/function_ref.h"
#include "wal/writer.h"

namespace cairn::engine {

class UpstreamWait {
 public:
  /// `timeout_ms`: calls of class upstream wait so long.
  UpstreamWait(const Hooks& hooks, uint32_t timeout_ms, const RunTable& runs, const wal::Writer& writer,
               Flusher& flusher, UpstreamSender& sender, Upstream& upstream)
      : hooks_(hooks),
        timeout_ms_(timeout_ms),
        runs_(runs),
        writer_(writer),
        flusher_(flusher),
        sender_(sender),
        upstream_(upstream) {}

  /// Everything updated before the call. INT64_MAX: no limit. kTimeout.
  Status for_everything(int64_t deadline_ms);
  /// What these runs were at `lsn`. No lock is held. kTimeout.
  Status for_runs(uint64_t lsn, std::span<const std::string> ids);

 private:
  /// Until `look` finds that it is there. `not_yet`: what the error says before the reason.
  Status wait(int64_t deadline_ms, const char* not_yet, const FunctionRef<Result<bool>(sync::Outbox& outbox)>& look);
  [[nodiscard]] std::string why_not_there();
  [[nodiscard]] int64_t now_ms() const { return hooks_.monotonic_ms(hooks_.context); }

  const Hooks& hooks_;
  const uint32_t timeout_ms_;
  const RunTable& runs_;
  const wal::Writer& writer_;
  Flusher& flusher_;
  UpstreamSender& sender_;
  Upstream& upstream_;
};

}  // namespace cairn::engine
